"""Measures the link's block error rates: `python -m semjax.link measure [--output FILE]`.

Every modulation and code rate of the ladder, at a few block lengths, over AWGN, through the whole link but the
transport CRC: code block, LDPC, rate matching, scrambling, QAM, noise, soft demodulation, the link's decoder. A
message counts as lost where its bits are not all right. SNRs are walked upwards from where the capacity of the
modulation equals the rate until a point has few errors; each length of a scheme is one compiled program.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key
from scipy import optimize

from semjax.channels.awgn import AWGN
from semjax.link import blocks
from semjax.link.frames import Plan, plan
from semjax.link.schemes import LONG, RUNGS, STEPS_BETWEEN, Scheme
from semjax.phy.belief import FAST, Decoder
from semjax.phy.coded_capacity import Uniform
from semjax.phy.mcs import MCS

MESSAGE_BITS = (8, 20, 48, 84, 176, 624, 1800, 3816, 8424)
"""Lengths A of the measured messages, with 16 or 24 check bits; 20 is what announces the length of another.

Between them curves are interpolated. Where few checks are left, short codes of neighbouring lengths differ by their
lifting size: at 64QAM 822/1024 one of 60 to 450 bits was up to 0.6 dB better or worse than interpolated.
"""
MOST_USES = 40_000
"""Longer transmissions are not measured: the curve of the longest shorter one, which is worse, stands for them."""
ITERATIONS = 20
STEPS_DB = {0: 0.75, 600: 0.3}
"""Step of the walk by message length from which it holds: the longer, the steeper."""
WIDEST_DB = 15.0
"""The walk ends after this at the latest; a floor of errors would let it go on for ever."""
FLOOR = 3e-3
"""The walk ends at the first SNR with fewer errors than this share."""
SEED = 20_251
"""Of the noise that the schemes are chosen on; results are never measured with it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured: information bits per SNR, within a range of blocks."""

    bits: int = 300_000
    fewest: int = 256
    most: int = 2048

    def blocks(self, size: int) -> int:
        """Messages per SNR, a multiple of 128."""
        return max(self.fewest, min(self.most, self.bits // size)) // 128 * 128


def rows(
    effort: Effort, *, rungs: tuple[MCS, ...] = (*RUNGS, *STEPS_BETWEEN), sizes: tuple[int, ...] = MESSAGE_BITS
) -> Iterator[dict[str, Any]]:
    """Yields one measured curve after the other, of messages of `sizes` bits.

    Fields: bits_per_symbol, code_rate_1024, message_bits, block_bits (K'), and lists snr_db, errors, blocks.
    """
    for rung in rungs:
        for size in sizes:
            sent = plan(size, Scheme(mcs=rung))
            if sent.frame.blocks > 1 or sent.uses > MOST_USES or (rung in STEPS_BETWEEN and size < LONG):
                continue
            yield {
                "bits_per_symbol": rung.bits_per_symbol,
                "code_rate_1024": rung.code_rate_1024,
                "message_bits": size,
                "block_bits": sent.block_bits,
                **_walk(
                    program(sent, size),
                    start=limit_db(rung),
                    step=next(step for least, step in reversed(STEPS_DB.items()) if size >= least),
                    blocks=effort.blocks(size),
                ),
            }


def limit_db(rung: MCS) -> float:
    """The Es/N0 in dB at which the BICM capacity of the modulation equals the rate."""
    capacity = Uniform(bits_per_symbol=rung.bits_per_symbol)
    missing = optimize.root_scalar(lambda snr: float(capacity.bicm(snr)) - rung.efficiency, bracket=(-40.0, 60.0))
    return float(missing.root)


def _walk(errors: Callable[[Any, Any, Any], Any], *, start: float, step: float, blocks: int) -> dict[str, list]:
    snr_db, wrong = start, []
    met: list[float] = []
    while snr_db < start + WIDEST_DB:
        count = int(errors(jax.random.key(SEED + len(met)), snr_db, blocks))
        if count < 0.98 * blocks:  # what is hopeless tells nothing
            met.append(round(snr_db, 2))
            wrong.append(count)
        if count < FLOOR * blocks and len(met) > 1:
            break
        snr_db += step
    return {"snr_db": met, "errors": wrong, "blocks": [blocks] * len(met)}


def program(sent: Plan, size: int, *, decoder: Decoder = FAST) -> Callable[[Key[Array, ""], float, int], int]:
    """A function (key, Es/N0 in dB, number of messages) that counts the lost ones among messages of `size` bits.

    Messages are sent 128 at a time.
    """
    frame, b = sent.frame, 128
    lengths, all_uses = jnp.full((b,), size, jnp.int32), jnp.full((b,), sent.uses, jnp.int32)

    @jax.jit
    def lost(key: Key[Array, ""], snr_db: Array, length: Array, uses: Array) -> Int[Array, ""]:
        bits = jax.random.bernoulli(jax.random.fold_in(key, 0), shape=(b, size)).astype(jnp.uint8)
        keys = jax.random.split(jax.random.fold_in(key, 1), b)
        used = (jnp.arange(frame.room) < uses[:, None]).astype(jnp.float32)
        out = AWGN()(keys, blocks.encode(frame, bits, length, uses), used, jnp.full((b,), snr_db))
        found, ok = blocks.decode(frame, out, length, uses, decoder=decoder, iterations=ITERATIONS, room=size)
        return jnp.sum(jnp.any(found != bits, axis=1) | ~ok)

    def count(key: Key[Array, ""], snr_db: float, messages: int) -> int:
        keys = [jax.random.fold_in(key, i) for i in range(messages // b)]
        return sum(int(lost(k, jnp.float32(snr_db), lengths, all_uses)) for k in keys)

    return count
