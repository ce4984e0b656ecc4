"""The eight shapes of the world as signed distance functions.

A shape lives in its own frame: x to the right, y upwards, inside the unit disc. `distance(shape, x, y)` is negative
inside and positive outside; its zero level is the exact outline and its slope there is 1, so `distance * radius` in
pixels gives the coverage of a pixel on the outline. Convex outlines are the maximum over their edges' half planes,
max_k(n_k . p - d_k): beyond a corner that is less than the true distance, but the zero level is exact there too.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

SHAPES = ("disc", "square", "triangle", "cross", "ring", "diamond", "star", "bar")
CLASS_NAMES = ("ball", "crate", "tent", "medkit", "buoy", "sign", "flare", "car")
"""What an object of each shape is called, in the order of `SHAPES`."""

Grid = Float[Array, "*grid"]

SQUARE_HALF = 0.7
CROSS_LONG, CROSS_SHORT = 0.94, 0.32
RING_MIDDLE, RING_HALF = 0.71, 0.28
BAR_HALF_WIDTH, BAR_HALF_HEIGHT = 0.94, 0.33
STAR_INNER = 0.48


def _disc(x: Grid, y: Grid) -> Grid:
    return jnp.sqrt(x * x + y * y) - 1


def _box(x: Grid, y: Grid, half_width: float, half_height: float) -> Grid:
    return jnp.maximum(jnp.abs(x) - half_width, jnp.abs(y) - half_height)


def _square(x: Grid, y: Grid) -> Grid:
    return _box(x, y, SQUARE_HALF, SQUARE_HALF)


def _triangle(x: Grid, y: Grid) -> Grid:
    return jnp.maximum(jnp.abs(x) * math.sqrt(3) / 2 + y / 2, -y) - 0.5


def _cross(x: Grid, y: Grid) -> Grid:
    return jnp.minimum(_box(x, y, CROSS_LONG, CROSS_SHORT), _box(x, y, CROSS_SHORT, CROSS_LONG))


def _ring(x: Grid, y: Grid) -> Grid:
    return jnp.abs(jnp.sqrt(x * x + y * y) - RING_MIDDLE) - RING_HALF


def _diamond(x: Grid, y: Grid) -> Grid:
    return (jnp.abs(x) + jnp.abs(y) - 1) / math.sqrt(2)


def _star(x: Grid, y: Grid) -> Grid:
    # Two mirrors, through the upper tip and through the notch on its right, fold the plane onto the tenth of the star
    # between them; after two rounds every point is there.
    x = jnp.abs(x)
    normal_x, normal_y = math.cos(math.pi / 5), -math.sin(math.pi / 5)
    for _ in range(2):
        over = jnp.maximum(x * normal_x + y * normal_y, 0)
        x, y = jnp.abs(x - 2 * over * normal_x), y - 2 * over * normal_y
    notch_x, notch_y = STAR_INNER * math.sin(math.pi / 5), STAR_INNER * math.cos(math.pi / 5)
    length = math.hypot(notch_x, 1 - notch_y)
    return (x * (1 - notch_y) + (y - 1) * notch_x) / length


def _bar(x: Grid, y: Grid) -> Grid:
    return _box(x, y, BAR_HALF_WIDTH, BAR_HALF_HEIGHT)


_DISTANCES = (_disc, _square, _triangle, _cross, _ring, _diamond, _star, _bar)


def distance(shape: Int[Array, ""], x: Float[Array, "*grid"], y: Float[Array, "*grid"]) -> Float[Array, "*grid"]:
    """Signed distance of points to the outline of a shape.

    Args:
      shape: index into `SHAPES`.
      x: to the right, in units of the object's radius.
      y: upwards, in units of the object's radius.

    Returns:
      The distance in units of the radius, negative inside.
    """
    return jax.lax.switch(shape, _DISTANCES, x, y)
