"""Iterative decoding of lifted base graphs.

A decoder is a check rule, a schedule and a bound on messages. With early stopping a code word is settled by the sweep
that finds all its checks satisfied, and keeps its bits from then on, whatever its neighbours in the batch still need;
the loop ends when all are settled, within static shapes.

Code words are decoded in groups, the groups one after the other: on a CPU the messages of a group stay in the caches.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from semjax.phy.base_graph import Rows
from semjax.phy.check_rules import OFFSET_MIN_SUM, SUM_PRODUCT, CheckRule
from semjax.phy.schedules import FLOODING, LAYERED, Schedule, State, Sweeper, even, roll
from semjax.types import struct

CACHE_VALUES = 1 << 17
"""Messages of one group on a CPU: about 1 MB with the totals."""
ACCELERATOR_GROUP = 1024
"""Code words of one group elsewhere."""


@struct
class Settled:
    """Decoded words: `bits` of every column, hard decisions, and whether they satisfy all checks."""

    bits: Bool[Array, "b c z"]
    satisfied: Bool[Array, "b"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoder:
    """How to decode.

    Attributes:
      rule: what a check answers.
      schedule: in which order.
      clip: bound on the magnitude of what enters and of every message.
      early_stop: settle words as soon as their checks hold; else all sweeps are done.
      group: code words decoded together; None chooses by machine and code.
    """

    rule: CheckRule = SUM_PRODUCT
    schedule: Schedule = FLOODING
    clip: float | int = 20.0
    early_stop: bool = False
    group: int | None = None

    @functools.partial(jax.jit, static_argnames=("self", "rows", "iterations"))
    def __call__(self, llr: Float[Array, "b c z"], rows: Rows, iterations: int) -> Settled:
        """Decodes words of a lifted base graph.

        Args:
          llr: log p(0) - log p(1) of every bit, 0 where nothing is known.
          rows: edges of each check row.
          iterations: sweeps, at most.

        Returns:
          The words.
        """
        b, c, z = llr.shape
        group = min(self.group or _group(rows, z), max(b, 1))
        count = -(-b // group)
        filled = jnp.pad(llr, ((0, count * group - b), (0, 0), (0, 0)), constant_values=self.clip)
        grouped = filled.reshape(count, group, c, z).transpose(0, 2, 3, 1)
        bits, satisfied = jax.lax.map(lambda words: self._decode(words, rows, iterations), grouped)
        bits = bits.transpose(0, 3, 1, 2).reshape(count * group, c, z)[:b]
        return Settled(bits=bits, satisfied=satisfied.reshape(-1)[:b])

    def _decode(self, llr: Float[Array, "c z b"], rows: Rows, iterations: int) -> tuple[Array, Array]:
        llr = jnp.clip(llr, -self.clip, self.clip)
        sweeper = Sweeper(rows=rows, rule=self.rule, clip=float(self.clip))
        run = self._until_settled if self.early_stop else self._all_sweeps
        bits = run(llr, sweeper, iterations)
        return bits, _satisfied(bits, rows)

    def _all_sweeps(self, llr: Float[Array, "c z b"], sweeper: Sweeper, iterations: int) -> Bool[Array, "c z b"]:
        def sweep(_: Array, state: State) -> State:
            return self.schedule.sweep(state, llr, sweeper)[0]

        state = jax.lax.fori_loop(0, iterations, sweep, self.schedule.start(llr, sweeper))
        return self.schedule.totals(state, sweeper) < 0

    def _until_settled(self, llr: Float[Array, "c z b"], sweeper: Sweeper, iterations: int) -> Bool[Array, "c z b"]:
        def more(carried: tuple) -> Array:
            return (carried[0] < iterations) & ~jnp.all(carried[3])

        def sweep(carried: tuple) -> tuple:
            number, state, bits, settled = carried
            state, found = self.schedule.sweep(state, llr, sweeper)
            settled |= found  # by the bits that the sweep began with
            bits = jnp.where(settled, bits, self.schedule.totals(state, sweeper) < 0)
            return number + 1, state, bits, settled

        start = self.schedule.start(llr, sweeper)
        settled = jnp.zeros(llr.shape[2], bool)
        return jax.lax.while_loop(more, sweep, (0, start, llr < 0, settled))[2]


def _satisfied(bits: Bool[Array, "c z b"], rows: Rows) -> Bool[Array, "b"]:
    values = jnp.where(bits, -1.0, 1.0)
    holds = jnp.ones(bits.shape[2], bool)
    for row in rows:
        holds &= even(jnp.stack([roll(values[edge.column], edge.shift) for edge in row]))
    return holds


def _group(rows: Rows, lifting: int) -> int:
    """Code words whose messages fit a core's cache; many more where there are no such caches."""
    if jax.default_backend() != "cpu":
        return ACCELERATOR_GROUP
    messages = lifting * sum(len(row) for row in rows)
    return max(8, min(64, 8 * (CACHE_VALUES // messages // 8)))


REFERENCE = Decoder()
"""Sum-product, flooding, all iterations: what papers mean by "belief propagation, 20 iterations"."""
FAST = Decoder(rule=OFFSET_MIN_SUM, schedule=LAYERED, early_stop=True)
"""The link's decoder."""
DECODERS = {"reference": REFERENCE, "fast": FAST}
