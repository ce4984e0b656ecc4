"""The LDPC codes of 5G NR: one code block of k information bits sent as n coded bits.

    bits[b, k] ─► filler ─► parity checks (base graph, lifting size) ─► select, interleave ─► bits[b, n]
    llr[b, n]  ─► undo both ─► iterative decoding ─► bits[b, k]                llr = log p(0) - log p(1)

Longer messages are segmented into code blocks (`semjax.phy.segmentation`); `semjax.link` does that, with CRCs.

Source: 3GPP TS 38.212, clauses 5.2.2, 5.3.2 and 5.4.2.
"""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, UInt8

from semjax.phy import ldpc_encoder
from semjax.phy.base_graph import GRAPHS, BaseGraph, select
from semjax.phy.belief import REFERENCE, Decoder, Settled
from semjax.phy.rate_matching import RateMatcher

HIGHEST_RATE = 0.95
"""Above this effective code rate a receiver need not decode (TS 38.214, clause 5.1.3)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LDPCCode:
    """A code block.

    Attributes:
      k: information bits, CRC included.
      n: coded bits; more than the graph has are repetitions.
      bits_per_symbol: of the modulation that the coded bits are interleaved for; 1 = not interleaved.
      rv: redundancy version, 0 to 3.
      base_graph: 1 or 2; None as the standard prescribes for k and k / n.

    The standard's rate matching leaves a few very short codes of very high rate without room for all messages: two
    messages of (k, n) = (11, 12) or (20, 22) share a code word, and (1, 2) cannot be decoded by message passing.

    Raises:
      ValueError: for lengths that the standard does not allow.
    """

    k: int
    n: int
    bits_per_symbol: int = 1
    rv: int = 0
    base_graph: int | None = None

    def __post_init__(self) -> None:
        if self.base_graph not in (None, 1, 2):
            raise ValueError(f"LDPCCode: base_graph={self.base_graph}; there are 1 and 2, and None = as prescribed")
        if self.k < 1 or self.n < 1:
            raise ValueError(f"LDPCCode: k={self.k}, n={self.n}; both must be at least 1")
        if self.k > HIGHEST_RATE * self.n:
            raise ValueError(
                f"LDPCCode: k={self.k}, n={self.n} is code rate {self.k / self.n:.3f}; at most {HIGHEST_RATE} can be "
                f"decoded, so n >= {-(-self.k * 100 // 95)} here"
            )
        if self.k > self.graph.most_bits:
            raise ValueError(
                f"LDPCCode: k={self.k}, but one code block of base graph {self.graph.number} (prescribed for rate "
                f"{self.k / self.n:.3f}) carries 1 to {self.graph.most_bits} bits; longer messages are segmented: see "
                "semjax.phy.segmentation"
            )
        _ = self.matcher  # refuses redundancy versions and interleavers that there are not
        if self.n % self.bits_per_symbol:
            raise ValueError(f"LDPCCode: n={self.n} does not fill symbols of {self.bits_per_symbol} bits")

    @property
    def graph(self) -> BaseGraph:
        """The base graph."""
        return select(self.k, self.k / self.n) if self.base_graph is None else GRAPHS[self.base_graph]

    @property
    def lifting(self) -> int:
        """The lifting size Z."""
        return self.graph.lifting(self.k)

    @property
    def matcher(self) -> RateMatcher:
        """The rate matcher."""
        return RateMatcher(graph=self.graph, lifting=self.lifting, bits_per_symbol=self.bits_per_symbol, rv=self.rv)

    @functools.cached_property
    def rows(self) -> int:
        """Checks of the base graph that the coded bits touch."""
        return self.matcher.rows(block_bits=self.k, coded_bits=self.n)

    def encode(self, bits: UInt8[Array, "b k"]) -> UInt8[Array, "b n"]:
        """Encodes.

        Args:
          bits: information bits, 0 or 1, one code block per row.

        Returns:
          Coded bits in the order of sending.

        Raises:
          ValueError: for another length, or (outside `jax.jit`) values other than 0 and 1.
        """
        check_binary(bits, length=self.k, what="LDPCCode.encode")
        filler = self.graph.information_columns * self.lifting - self.k
        words = ldpc_encoder.encode(jnp.pad(bits, ((0, 0), (0, filler))), self.graph, self.lifting, rows=self.rows)
        return self.matcher.match(words, *self._lengths(bits.shape[0]), room=self.n)

    def decode(
        self, llr: Float[Array, "b n"], iterations: int = 20, *, decoder: Decoder = REFERENCE
    ) -> UInt8[Array, "b k"]:
        """Decodes.

        Args:
          llr: log p(0) - log p(1) of the coded bits, in the order of sending; infinite ones count as the decoder's
            bound, and inside `jax.jit` NaN counts as 0 (nothing known).
          iterations: sweeps over the graph, at most.
          decoder: check rule, schedule and bound.

        Returns:
          Information bits.

        Raises:
          ValueError: for another length, iterations below 1, or (outside `jax.jit`) NaN.
        """
        return (
            self.settle(llr, iterations, decoder=decoder).bits.reshape(llr.shape[0], -1)[:, : self.k].astype(jnp.uint8)
        )

    def settle(self, llr: Float[Array, "b n"], iterations: int = 20, *, decoder: Decoder = REFERENCE) -> Settled:
        """As `decode`; the whole words, and whether their checks hold."""
        if llr.shape[1] != self.n:
            raise ValueError(f"LDPCCode.decode: llr of shape {llr.shape}, but n={self.n}")
        if iterations < 1:
            raise ValueError(f"LDPCCode.decode: iterations={iterations}; at least 1 is needed")
        clip = float(decoder.clip)
        # Bounded before repeated bits are added up, where infinities that disagree would give NaN.
        known = jnp.nan_to_num(checked_llr(llr), posinf=clip, neginf=-clip)
        values = self.matcher.dematch(known, *self._lengths(llr.shape[0]), rows=self.rows, filler_llr=clip)
        rows = self.graph.lifted(self.lifting, rows=self.rows)
        return decoder(values.reshape(llr.shape[0], -1, self.lifting), rows, iterations)

    def _lengths(self, b: int) -> tuple[Array, Array]:
        return jnp.full((b,), self.k, jnp.int32), jnp.full((b,), self.n, jnp.int32)


def check_binary(bits: Array, *, length: int, what: str) -> None:
    """Refuses bits of another length, and values other than 0 and 1 where they are known.

    Raises:
      ValueError: see above.
    """
    if bits.ndim != 2 or bits.shape[1] != length:
        raise ValueError(f"{what}: bits of shape {bits.shape}, expected [b, {length}]")
    known = np.zeros((1, 1), np.uint8) if isinstance(bits, Tracer) else np.asarray(bits)
    wrong = np.any(known > 1, axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{what}: bits must be 0 or 1, got {int(known[row].max())} in row {row}")


def checked_llr(llr: Float[Array, "b n"]) -> Float[Array, "b n"]:
    """Values with NaN as 0 under tracing.

    Raises:
      ValueError: outside `jax.jit`, if there are NaN.
    """
    if not isinstance(llr, Tracer):
        wrong = np.any(np.isnan(np.asarray(llr)), axis=1)
        if wrong.any():
            raise ValueError(
                f"LDPC decoding: llr has NaN in row {int(np.argmax(wrong))} of {llr.shape}; pass 0 for bits of which "
                "nothing is known"
            )
        return llr
    return jnp.where(jnp.isnan(llr), 0.0, llr)
