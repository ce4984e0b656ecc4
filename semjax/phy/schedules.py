"""In which order checks and bits of a lifted base graph talk to each other.

With llr_c what the channel says of bit column c, L_c its total, m_e the last answer along edge e = (row, column, shift)
and "rolled" meaning that each check sees its own bit,

    flooding   all rows answer the same totals:  v_e = roll(L_c) - m_e,  m_e' = check(v),  L_c' = llr_c + sum m_e'
    layered    row after row updates the totals: v_e = roll(L_c) - m_e,  m_e' = check(v),  L_c <- v_e + m_e'

A layered sweep has twice the effect of a flooding one, for the rows that come later see what the earlier ones found.

Arrays are [column, Z, b] with the code words last, so that a cyclic shift moves whole rows of memory and every
arithmetic operation runs over neighbouring code words. Shifts are static: they are slices, never gathers.

Source: Hocevar, "A reduced complexity decoder architecture via layered decoding of LDPC codes", SiPS 2004; Ryan and Lin
(2009), section 5.4.
"""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from semjax.phy.base_graph import Rows
from semjax.phy.check_rules import CheckRule

Totals = Float[Array, "c z b"]
State = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweeper:
    """What one sweep over a graph needs to know.

    Attributes:
      rows: edges of each check row.
      rule: how a check answers.
      clip: bound on the magnitude of messages.
    """

    rows: Rows
    rule: CheckRule
    clip: float

    def answer(self, totals: Float[Array, "d z b"], last: Float[Array, "d z b"]) -> Float[Array, "d z b"]:
        """What a row of checks answers to totals that hold its last answer."""
        told = jnp.clip(totals - last, -self.clip, self.clip)
        return jnp.clip(self.rule(told), -self.clip, self.clip)

    def silence(self, shape: tuple[int, ...]) -> list[Array]:
        """No answers yet: zeros per row, [d, z, b] with (z, b) = `shape`."""
        return [jnp.zeros((len(row), *shape), jnp.float32) for row in self.rows]


@runtime_checkable
class Schedule(Protocol):
    """An order of updates."""

    def start(self, llr: Totals, sweeper: Sweeper) -> State:
        """The state before the first sweep."""
        ...

    def sweep(self, state: State, llr: Totals, sweeper: Sweeper) -> tuple[State, Bool[Array, "b"]]:
        """One sweep; and which code words it found to satisfy all checks."""
        ...

    def totals(self, state: State, sweeper: Sweeper) -> Totals:
        """The values of all bits."""
        ...


def roll(column: Float[Array, "z b"], shift: int) -> Float[Array, "z b"]:
    """Brings bit (i + shift) mod Z to check i."""
    shift %= column.shape[0]
    return column if shift == 0 else jnp.concatenate([column[shift:], column[:shift]])


def even(values: Float[Array, "d z b"]) -> Bool[Array, "b"]:
    """Whether all Z checks of a row hold for the hard decisions of `values`, per code word."""
    odd = jax.lax.reduce(values < 0, False, jax.lax.bitwise_xor, (0,))
    return ~jnp.any(odd, axis=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flooding:
    """All checks at once, then all bits."""

    def start(self, llr: Totals, sweeper: Sweeper) -> State:
        """See `Schedule`."""
        return llr, sweeper.silence(llr.shape[1:])

    def sweep(self, state: State, llr: Totals, sweeper: Sweeper) -> tuple[State, Bool[Array, "b"]]:
        """See `Schedule`; the words found are those that the sweep began with."""
        totals, answers = state
        found, after, sums = jnp.ones(llr.shape[2], bool), [], [llr[c] for c in range(llr.shape[0])]
        for row, last in zip(sweeper.rows, answers, strict=True):
            seen = jnp.stack([roll(totals[edge.column], edge.shift) for edge in row])
            found &= even(seen)
            answer = sweeper.answer(seen, last)
            after.append(answer)
            for i, edge in enumerate(row):
                sums[edge.column] = sums[edge.column] + roll(answer[i], -edge.shift)
        return (jnp.stack(sums), after), found

    def totals(self, state: State, sweeper: Sweeper) -> Totals:
        """See `Schedule`."""
        return state[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layered:
    """Row after row.

    A column stays rolled as its last row saw it, so that each edge costs one roll, not two.
    """

    def start(self, llr: Totals, sweeper: Sweeper) -> State:
        """See `Schedule`."""
        frames = self._frames(sweeper, llr.shape[0])
        return [roll(llr[c], frames[c]) for c in range(llr.shape[0])], sweeper.silence(llr.shape[1:])

    def sweep(self, state: State, llr: Totals, sweeper: Sweeper) -> tuple[State, Bool[Array, "b"]]:
        """See `Schedule`; the words found are those in which every row held in its turn and no bit changed."""
        columns, answers = list(state[0]), state[1]
        frames, after = self._frames(sweeper, llr.shape[0]), []
        found = jnp.ones(llr.shape[2], bool)
        for row, last in zip(sweeper.rows, answers, strict=True):
            seen = jnp.stack([roll(columns[edge.column], edge.shift - frames[edge.column]) for edge in row])
            answer = sweeper.answer(seen, last)
            after.append(answer)
            # Totals are not bounded: a bound would take away what the other rows have said.
            updated = seen + (answer - last)
            found &= even(seen) & ~jnp.any((updated < 0) != (seen < 0), axis=(0, 1))
            for i, edge in enumerate(row):
                columns[edge.column], frames[edge.column] = updated[i], edge.shift
        return (columns, after), found

    def totals(self, state: State, sweeper: Sweeper) -> Totals:
        """See `Schedule`."""
        frames = self._frames(sweeper, len(state[0]))
        return jnp.stack([roll(column, -frames[c]) for c, column in enumerate(state[0])])

    def _frames(self, sweeper: Sweeper, columns: int) -> list[int]:
        """The shift that each column is left with by its last row; 0 where there is none."""
        frames = [0] * columns
        for row in sweeper.rows:
            for edge in row:
                frames[edge.column] = edge.shift
        return frames


FLOODING, LAYERED = Flooding(), Layered()
SCHEDULES: dict[str, Schedule] = {"flooding": FLOODING, "layered": LAYERED}
