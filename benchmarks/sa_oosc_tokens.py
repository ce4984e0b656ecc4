"""Equal cbr: for each condition the rate token at which a checkpoint spends what is asked for, on average, on val.

    cbr(token) = mean over pictures of (analog uses + uses that the link charges for each side stream) / (3 h w)

Lengths and the bits of side streams depend on the token alone, so each token is tried once for all conditions. What a
link charges for so many bits depends on the condition alone; lost messages cost what others do. Tokens are halved or
doubled from 1 until the target lies between two, these halved again, in the logarithm, until they differ by 3 % of cbr
at most, and a straight line between the logarithms gives the token.

CHOICE: what the analog part takes differs much from picture to picture; its mean is corrected by a ratio, that of many
more pictures of val to those that tokens are tried on, counted at one token.
CHOICE: more than one token may do, since maps of very short tokens cost few bits; the largest one is taken.
CHOICE: a token may leave the range that the model was trained in; rows of tokens say where it does.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from sa_oosc_ends import ANY_SNR_DB, Ends
from sa_oosc_models import SIZE, Condition, Shown, joined

from semjax.link.coded import CodedLink
from semjax.link.frames import plan
from semjax.link.rate import Rates, rates
from semjax.link.transport import LENGTH_BITS
from semjax.types import Bits

TARGET = 1 / 48
"""CHOICE, made on validation scenes: above, the longest tokens are full whatever matters; below, the map takes much."""
CLOSE = 1.03
"""Ratio of cbr between two tokens from which on the curve between them is taken to be straight."""
NEAREST = 1.0005
"""Tokens are not halved below this ratio: on few pictures the curve has steps."""
OCTAVES = 10
"""How far from 1 tokens are tried."""


def charged(condition: Condition, bits: int, *, announce: bool) -> float:
    """Channel uses of a message over a condition, whether it arrives or not; what `Transport.send` says.

    Args:
      condition: over what.
      bits: of the message.
      announce: whether the receiver must be told the length.
    """
    link = condition.side
    if isinstance(link, CodedLink):  # sending would compile a program for each size, just to count uses
        header = plan(LENGTH_BITS, link.policy.cautious().choose(link.channel, LENGTH_BITS, condition.snr_db))
        body = plan(bits, link.policy.choose(link.channel, bits, condition.snr_db)).uses if bits else 0
        return float(body + (header.uses if announce else 0))
    zeros: Any = np.zeros((1, bits), np.uint8)  # on the host: each shape would be a program of its own
    length: Any = np.array([bits], np.int32)
    message = Bits(bits=zeros, length=length)
    return float(link.send(message, snr_db=np.full(1, condition.snr_db, np.float32), announce=announce).uses[0])


_charged = functools.lru_cache(maxsize=1 << 16)(charged)


def spent(
    uses: Float[np.ndarray, "p"],
    bits: Mapping[str, Int[np.ndarray, "p"]],
    condition: Condition,
    *,
    constant: frozenset[str],
) -> Rates:
    """What pictures cost over a condition, whether their messages arrive or not.

    Args:
      uses: of the analog part.
      bits: of each side stream.
      condition: over what.
      constant: streams of which the receiver knows the length.
    """
    side = {
        f"side/{name}": np.array([_charged(condition, n, announce=name not in constant) for n in lengths.tolist()])
        for name, lengths in bits.items()
    }
    return rates({"analog": np.asarray(uses, np.float64), **side}, height=SIZE, width=SIZE)


def solved(total: Callable[[float], float], target: float = TARGET) -> float:
    """The token at which a rising curve meets a target.

    Args:
      total: the cbr at a token.
      target: the cbr wanted.

    Raises:
      ValueError: it is out of reach; the message says what can be reached.
    """
    low = high = 1.0
    while total(low) > target and low > 2.0**-OCTAVES:
        low, high = low / 2, low
    while total(high) < target and high < 2.0**OCTAVES:
        low, high = high, high * 2
    least, most = total(low), total(high)
    if not least <= target <= most:
        raise ValueError(
            f"a cbr of {target:.5f} cannot be met: rate tokens from {2.0**-OCTAVES:g} to {2.0**OCTAVES:g} reach "
            f"{total(2.0**-OCTAVES):.5f} to {total(2.0**OCTAVES):.5f}"
        )
    while total(high) > CLOSE * total(low) and high > NEAREST * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if total(middle) <= target else (low, middle)
    least, most = math.log(total(low)), math.log(total(high))
    part = (math.log(target) - least) / (most - least) if most > least else 0.0
    return low * (high / low) ** part


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """Tokens of one checkpoint, tried on pictures that are not those of the test.

    Attributes:
      ends: of the checkpoint.
      pictures: on which tokens are tried.
      more: many more, on which it is counted once what the analog part takes, without coding its map.
      tried: analog uses and bits of each picture by token.
    """

    ends: Ends
    pictures: Shown
    more: Shown
    tried: dict[float, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)

    def token(self, condition: Condition) -> dict[str, Any]:
        """The token of a condition, and between which ones the checkpoint was trained.

        Raises:
          ValueError: no token meets the target.
        """
        try:
            token = solved(lambda token: self.total(token, condition))
        except ValueError as error:
            raise ValueError(f"{self.ends.model.name}, {condition}: {error}") from error
        return {"token": float(np.float32(token)), "trained": list(self.ends.trained)}

    def total(self, token: float, condition: Condition) -> float:
        """The mean cbr at a token."""
        told = self._tried(token)
        bits = {name.removeprefix("bits/"): n for name, n in told.items() if name.startswith("bits/")}
        constant = frozenset(name for name, codec in self.ends.codecs.items() if codec.constant_length)
        found = spent(told["uses"], bits, condition, constant=constant)
        return float(found.cbr_total.mean() + (self.typical - 1) * found.cbr_analog.mean())

    @functools.cached_property
    def typical(self) -> float:
        """Analog uses of many pictures over those of the pictures that tokens are tried on, at one token."""
        token = solved(lambda token: float(self._tried(token)["uses"].mean()) / (3 * SIZE**2))
        return float(self.ends.uses(self.more, token=token).mean() / self._tried(token)["uses"].mean())

    def _tried(self, token: float) -> dict[str, np.ndarray]:
        if token not in self.tried:
            parts, masks = [], []
            for batch in self.pictures:
                sent, _ = self.ends.sent(batch, token=token, snr_db=ANY_SNR_DB)
                bits = {f"bits/{name}": np.asarray(packed.length) for name, packed in sent.bits.items()}
                parts.append({"uses": np.asarray(jnp.sum(sent.used, axis=-1)), **bits})
                masks.append(batch["_mask"])
            self.tried[token] = joined(parts, masks)
        return self.tried[token]
