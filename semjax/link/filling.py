"""How many bits fit into a number of channel uses: for a scheme, for a policy, for a link.

Whoever has K uses to spend and can make a message of any length (a picture codec) asks here first. Both ends can work
out the answer from K, the average SNR and the channel, so the length of such a message is not announced.
"""

import math

import numpy as np

from semjax.contracts import Channel
from semjax.link.coded import CodedLink
from semjax.link.frames import MOST_BITS, plan
from semjax.link.policy import Policy
from semjax.link.schemes import FINE_LADDER, Scheme
from semjax.link.transport import IdealLink, Transport


def most_bits(uses: int, scheme: Scheme) -> int:
    """The longest message that a scheme sends in at most `uses` channel uses.

    Args:
      uses: complex channel uses.
      scheme: modulation, code rate, repetitions.

    Returns:
      Its length in bits, at most `semjax.link.frames.MOST_BITS`; 0 if not even one bit fits.
    """
    low, high = 0, min(MOST_BITS, max(0, math.ceil(uses * scheme.efficiency)))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if plan(middle, scheme).uses <= uses else (low, middle - 1)
    return low


def room(policy: Policy, channel: Channel, *, uses: int, snr_db: float) -> int:
    """The longest message that the coded link sends in at most `uses` channel uses, the scheme chosen by `policy`.

    Args:
      policy: chooses the scheme, possibly by the message's length.
      channel: the channel.
      uses: complex channel uses.
      snr_db: average Es/N0 per complex use in dB, as both ends know it.

    Returns:
      Its length in bits; 0 if not even one bit fits.
    """
    first = policy.choose(channel, 1, snr_db)
    lengths = {most_bits(uses, scheme) for scheme in (*FINE_LADDER, first)} - {0}
    for bits in sorted(lengths, reverse=True):
        if plan(bits, policy.choose(channel, bits, snr_db)).uses <= uses:
            return bits
    return 0


def link_room(link: Transport, *, uses: int, snr_db: float) -> int:
    """The longest message that a link carries in at most `uses` channel uses.

    Args:
      link: ideal or coded.
      uses: complex channel uses.
      snr_db: average Es/N0 per complex use in dB, as both ends know it.

    Returns:
      Its length in bits; over an ideal link `floor(uses * capacity)`.

    Raises:
      ValueError: for a link of another kind.
    """
    match link:
        case CodedLink(channel=channel, policy=policy):
            return room(policy, channel, uses=uses, snr_db=snr_db)
        case IdealLink(capacity=capacity):
            # Rounded down by a little more than rounding errors, so that the bits never take more than the uses.
            return int(uses * float(np.asarray(capacity(np.asarray(snr_db, np.float64)))) * (1 - 1e-12))
    raise ValueError(f"{type(link).__name__}: what fits into a number of uses is known of the ideal and the coded link")
