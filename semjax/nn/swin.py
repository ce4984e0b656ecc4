"""Shifted-window attention blocks: attention inside w x w windows, every second block with the windows moved by w/2.

    x ─ norm ─ move, cut into windows ─ attention ─ join, move back ─ + ─ norm ─ Dense 4d, gelu, Dense d ─ + ─► x
    └──────────────────────────────────────────────────────────────────┘└──────────────────────────────────┘

    attention(Q, K, V) = softmax(Q K^T / sqrt(d_head) + B) V,      B[(y, x), (y', x')] = table[y − y', x − x', head]

Everything is a dense matrix product over static windows. A grid that no whole number of windows covers is filled up
with tokens that nobody attends to; they cost computing, never channel uses. B is put together from static slices of
its table, so that neither it nor its gradient needs a gather or a scatter.

Source: Z. Liu et al., "Swin Transformer", arXiv 2103.14030, section 3.2 (Eq. 3, 4; masks of Fig. 4).
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Initializer = Callable[..., Any]
FORBIDDEN = -1e9
"""Added to the logits of pairs that may not see each other."""


Sides = tuple[int, int]
"""Down and across."""


def window_regions(grid: Sides, *, window: Sides, shift: Sides) -> Int[np.ndarray, "nw n"]:
    """Which tokens of a moved, filled-up grid belong together.

    Args:
      grid: tokens, before filling up.
      window: sides of a window.
      shift: by how many tokens the windows are moved, below `window`.

    Returns:
      A number per token, by window: two tokens of one window may see each other if their numbers are equal. Moving
      wraps around, so what comes from the other edge has another number; so has what only fills up.
    """
    rows, columns = (np.arange(-(-side // w) * w) for side, w in zip(grid, window, strict=True))
    filler = (rows >= grid[0])[:, None] | (columns >= grid[1])[None, :]
    number = filler + 2 * (rows < shift[0])[:, None] + 4 * (columns < shift[1])[None, :]
    moved = np.roll(number, (-shift[0], -shift[1]), axis=(0, 1))
    return np.asarray(to_windows(moved[None, :, :, None], window)[..., 0])


def to_windows(x: Any, window: Sides) -> Any:
    """Cuts `x[b, h, w, d]` into `[b · windows, tokens per window, d]`; h and w are multiples of the window's sides."""
    b, h, w, d = x.shape
    (down, across) = window
    squares = x.reshape(b, h // down, down, w // across, across, d).transpose(0, 1, 3, 2, 4, 5)
    return squares.reshape(-1, down * across, d)


def from_windows(windows: Any, *, window: Sides, grid: Sides) -> Any:
    """Inverse of `to_windows`: `[b, *grid, d]`."""
    (down, across), (height, width) = window, grid
    squares = windows.reshape(-1, height // down, width // across, down, across, windows.shape[-1])
    return squares.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])


def relative_bias(table: Float[Array, "r r heads"], window: Sides) -> Float[Array, "heads n n"]:
    """B of the module's docstring for all pairs of tokens of a window.

    Args:
      table: a value per offset and head, zero offset in the middle; at least twice as wide as the window, less one.
      window: sides of the window.
    """
    middle = table.shape[0] // 2

    def slices(values: Array, side: int) -> Array:
        """[side, side, ...]: entry (i, j) is the flipped row of offset i - j."""
        return jnp.stack([values[middle - i : middle - i + side] for i in range(side)])

    flipped = table[::-1, ::-1]  # row `middle - offset`
    rows = slices(flipped, window[0])  # [y, y', r, heads]
    both = slices(jnp.moveaxis(rows, 2, 0), window[1])  # [x, x', y, y', heads]
    n = window[0] * window[1]
    return both.transpose(4, 2, 0, 3, 1).reshape(-1, n, n)


class WindowAttention(nn.Module):
    """Attention within windows `x[windows, n, d]`; parameters `qkv`, `out` (zero at the start) and `bias`.

    Attributes:
      heads: divides d.
      window: largest side of a window; it sets the size of the table.
      dtype: computing type; logits and softmax are float32.
    """

    heads: int
    window: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "bnw n d"], window: Sides, regions: Int[np.ndarray, "nw n"]
    ) -> Float[Array, "bnw n d"]:
        """Attends within windows of sides `window`, at most `self.window`, between tokens of one region."""
        batch, n, d = x.shape
        if d % self.heads:
            raise ValueError(f"{self.heads} heads do not divide width {d}")
        table_shape = (2 * self.window - 1, 2 * self.window - 1, self.heads)
        table = self.param("bias", nn.initializers.truncated_normal(0.02), table_shape, jnp.float32)
        size = d // self.heads
        parts = jnp.split(nn.Dense(3 * d, dtype=self.dtype, name="qkv")(x), 3, axis=-1)
        q, k, v = (part.reshape(batch, n, self.heads, size) for part in parts)
        logits = jnp.einsum("bnhc,bmhc->bhnm", q * size**-0.5, k, preferred_element_type=jnp.float32)
        logits = logits + relative_bias(table, window)
        if regions.any():
            apart = np.where(regions[:, :, None] == regions[:, None, :], 0.0, FORBIDDEN).astype(np.float32)
            split = logits.reshape(-1, len(apart), *logits.shape[1:]) + apart[:, None]
            logits = split.reshape(logits.shape)
        weights = nn.softmax(logits, axis=-1).astype(self.dtype)
        seen = jnp.einsum("bhnm,bmhc->bnhc", weights, v).reshape(batch, n, d)
        return nn.Dense(d, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="out")(seen)


class SwinBlock(nn.Module):
    """One block of the module's docstring; with its zero last layers it starts as the identity.

    Attributes:
      heads: attention heads.
      window: side of the windows, in tokens.
      shift: by how much they are moved.
      mlp_ratio: width of the hidden layer over d.
      dtype: computing type.
    """

    heads: int
    window: int
    shift: int
    mlp_ratio: float = 4.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        x = x + self._attention(nn.LayerNorm(dtype=self.dtype, name="norm_0")(x))
        hidden = nn.Dense(round(self.mlp_ratio * x.shape[-1]), dtype=self.dtype, name="mlp_0")
        last = nn.Dense(x.shape[-1], kernel_init=nn.initializers.zeros, dtype=self.dtype, name="mlp_1")
        return x + last(nn.gelu(hidden(nn.LayerNorm(dtype=self.dtype, name="norm_1")(x))))

    def _attention(self, x: Array) -> Array:
        grid: Sides = x.shape[1:3]  # pyright: ignore[reportAssignmentType]
        window = min(self.window, grid[0]), min(self.window, grid[1])
        # One window that covers the grid need not be moved.
        shift = self.shift * (grid[0] > self.window), self.shift * (grid[1] > self.window)
        full = -(-grid[0] // window[0]) * window[0], -(-grid[1] // window[1]) * window[1]
        moved = jnp.pad(x, ((0, 0), (0, full[0] - grid[0]), (0, full[1] - grid[1]), (0, 0)))
        moved = jnp.roll(moved, (-shift[0], -shift[1]), axis=(1, 2))
        attention = WindowAttention(self.heads, self.window, dtype=self.dtype, name="attention")
        regions = window_regions(grid, window=window, shift=shift)
        seen = attention(to_windows(moved, window), window, regions)
        back = jnp.roll(from_windows(seen, window=window, grid=full), shift, axis=(1, 2))
        return back[:, : grid[0], : grid[1]]


class BlockPair(nn.Module):
    """A block with the windows in place and one with them moved by half: the unit that a stage repeats."""

    heads: int
    window: int
    mlp_ratio: float = 4.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        for i, shift in enumerate((0, self.window // 2)):
            block = functools.partial(SwinBlock, mlp_ratio=self.mlp_ratio, dtype=self.dtype, name=f"block_{i}")
            x = block(self.heads, self.window, shift)(x)
        return x


class _ScannedPair(BlockPair):
    """`BlockPair` in the form that `nn.scan` repeats."""

    def __call__(self, x: Array, _: None) -> tuple[Array, None]:  # type: ignore[override]
        return BlockPair.__call__(self, x), None


class SwinStage(nn.Module):
    """`depth` blocks, in pairs.

    Attributes:
      depth: blocks, an even number.
      heads: attention heads.
      window: side of the windows, in tokens.
      mlp_ratio: width of the hidden layer over d.
      scan: whether the pairs are one scanned body with stacked parameters (shorter compilation; the compiler's own
        count of operations then sees one pair only) instead of one after the other.
      remat: whether backward passes compute the blocks again instead of keeping what they held.
      dtype: computing type.
    """

    depth: int
    heads: int
    window: int
    mlp_ratio: float = 4.0
    scan: bool = False
    remat: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        if self.depth % 2:
            raise ValueError(f"a stage has pairs of blocks, so an even depth; got {self.depth}")
        settings: dict[str, Any] = {"mlp_ratio": self.mlp_ratio, "dtype": self.dtype}
        kind: Any = _ScannedPair if self.scan else BlockPair
        pair: Any = nn.remat(kind, prevent_cse=not self.scan) if self.remat else kind
        if self.scan and self.depth:
            repeated = nn.scan(pair, variable_axes={"params": 0}, split_rngs={"params": True}, length=self.depth // 2)
            return repeated(self.heads, self.window, **settings, name="pairs")(x, None)[0]
        for i in range(self.depth // 2):
            x = pair(self.heads, self.window, **settings, name=f"pair_{i}")(x)
        return x
