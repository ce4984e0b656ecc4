"""The four backgrounds: sky, grass, road and brick, with irregularities drawn from a seed.

All are functions of the place in the picture, not of the pixel, so one scene looks the same at every size. The
irregularities are value noise: normal values on a lattice, interpolated linearly.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from semjax.types import struct

# Rows and columns of cells of the coarse, the fine, and the upright (blades of grass) noise.
LATTICES = ((6, 6), (40, 40), (12, 40))
BRICK_ROWS = 8
BRICK_COLUMNS = 4


@struct
class _Ground:
    """What a background is made from: places in [0, 1], noise of mean 0, numbers in [0, 1]."""

    x: Float[Array, "h w"]
    y: Float[Array, "h w"]
    coarse: Float[Array, "h w"]
    fine: Float[Array, "h w"]
    blades: Float[Array, "h w"]
    chance: Float[Array, "4"]
    pixel: Float[Array, ""]


def background(kind: Int[Array, ""], seed: UInt32[Array, ""], size: int) -> Float[Array, "h w 3"]:
    """Draws a background.

    Args:
      kind: index into `world.BACKGROUNDS`.
      seed: of its irregularities.
      size: pixels of each side.

    Returns:
      float32[size, size, 3].
    """
    # One draw for everything: each draw costs compilation time.
    counts = [(rows + 1) * (columns + 1) for rows, columns in LATTICES]
    *lattices, last = jnp.split(jax.random.normal(jax.random.key(seed), (sum(counts) + 4,)), np.cumsum(counts))
    axis = (jnp.arange(size) + 0.5) / size
    x, y = jnp.meshgrid(axis, axis)
    ground = _Ground(
        x=x,
        y=y,
        coarse=_noise(lattices[0], axis, LATTICES[0]),
        fine=_noise(lattices[1], axis, LATTICES[1]),
        blades=_noise(lattices[2], axis, LATTICES[2]),
        chance=jax.scipy.stats.norm.cdf(last),
        pixel=jnp.asarray(1.0 / size),
    )
    return jax.lax.switch(kind, (_sky, _grass, _road, _brick), ground)


def _noise(values: Array, axis: Array, cells: tuple[int, int]) -> Array:
    """Linear interpolation of the values at the corners of `cells` = rows x columns cells."""
    down, across = (jnp.maximum(1 - jnp.abs(axis[:, None] * n - jnp.arange(n + 1)), 0) for n in cells)
    lattice = values.reshape(cells[0] + 1, cells[1] + 1)
    return jnp.einsum("hr,rc,wc->hw", down, lattice, across, precision="highest")


def _mix(share: Array, inside: Array, outside: Array) -> Array:
    return share[..., None] * inside + (1 - share[..., None]) * outside


def _line(offset: Array, half: float, pixel: Array) -> Array:
    """Coverage, 0 to 1, of a line of half width `half` at distance `offset` from its middle."""
    return jnp.clip(0.5 - (jnp.abs(offset) - half) / pixel, 0, 1)


def _sky(g: _Ground) -> Array:
    blue = _mix(g.y, jnp.array([0.72, 0.86, 0.97]), jnp.array([0.33, 0.58, 0.92]))
    cloud = jnp.clip(0.6 * g.coarse + 0.15 * g.fine - 0.2 + 0.3 * g.chance[0], 0, 1)
    return _mix(cloud, jnp.array([0.96, 0.97, 0.98]), blue)


def _grass(g: _Ground) -> Array:
    light = 1 + 0.1 * g.coarse + 0.16 * g.blades + 0.05 * g.fine
    dry = jnp.clip(0.35 * g.coarse + 0.2 * g.chance[0], 0, 1)
    return light[..., None] * _mix(dry, jnp.array([0.42, 0.5, 0.2]), jnp.array([0.24, 0.46, 0.19]))


def _road(g: _Ground) -> Array:
    tar = (0.33 + 0.03 * g.fine + 0.025 * g.coarse)[..., None] * jnp.array([1.0, 1.0, 1.03])
    dash = _line(jnp.abs((g.y * 4 + g.chance[0]) % 1 - 0.5) / 4, 0.07, g.pixel) * _line(g.x - 0.5, 0.02, g.pixel)
    edges = _line(jnp.abs(g.x - 0.5) - 0.44, 0.015, g.pixel)
    return _mix(jnp.maximum(dash, edges), jnp.array([0.88, 0.87, 0.8]), tar)


def _brick(g: _Ground) -> Array:
    row = g.y * BRICK_ROWS + g.chance[0]
    column = g.x * BRICK_COLUMNS + 0.5 * (jnp.floor(row) % 2) + g.chance[1]
    # Distance to the nearest joint, in picture widths, along each axis.
    across = (0.5 - jnp.abs(column % 1 - 0.5)) / BRICK_COLUMNS
    along = (0.5 - jnp.abs(row % 1 - 0.5)) / BRICK_ROWS
    joint = jnp.maximum(_line(across, 0.009, g.pixel), _line(along, 0.009, g.pixel))
    tone = jnp.sin(jnp.floor(column) * 12.99 + jnp.floor(row) * 78.23)
    clay = (1 + 0.1 * tone + 0.06 * g.fine)[..., None] * jnp.array([0.6, 0.34, 0.27])
    return _mix(joint, jnp.array([0.76, 0.73, 0.69]), clay)
