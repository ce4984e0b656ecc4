"""Draws a scene: the picture, and the exact map of which object is seen where.

With d(p) the signed distance of pixel p's centre to an object's outline, in pixels, the object covers the share
a(p) = clip(1/2 - d(p), 0, 1) of the pixel, and objects are painted from far to near:

    picture <- a colour + (1 - a) picture

The id map takes the object where a > 1/2, that is where the pixel's centre lies inside the outline: without error.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from semjax.scenes.backgrounds import background
from semjax.scenes.shapes import distance
from semjax.scenes.world import Leaf, Scene
from semjax.types import struct

# sRGB values in the order of world.COLOURS.
PALETTE = (
    (0.88, 0.13, 0.13),
    (0.10, 0.72, 0.22),
    (0.16, 0.26, 0.90),
    (0.96, 0.85, 0.12),
    (0.58, 0.20, 0.70),
    (0.12, 0.78, 0.82),
    (0.62, 0.62, 0.62),
    (0.98, 0.52, 0.08),
)
OUTLINE = 0.1
OUTLINE_LIGHT = 0.45
STRIPE_LIGHT = 0.5
STRIPES_PER_RADIUS = 1.6
DOTS_PER_RADIUS = 1.5
DOT_RADIUS = 0.28
DOT_WHITE = 0.75
SHADE = 0.12


@struct
class RenderedScene:
    """A drawn scene: `image` in [0, 1]; `ids` is 0 on the background and slot + 1 on an object."""

    image: Float[Leaf, "*b h w 3"]
    ids: UInt8[Leaf, "*b h w"]


@struct
class Truth:
    """What is seen of each slot: `pixels` of it in the id map, `visible` where there are any, `count` of those."""

    pixels: Int[Leaf, "*b n"]
    visible: Bool[Leaf, "*b n"]
    count: Int[Leaf, "*b"]


def render(scene: Scene, size: int) -> RenderedScene:
    """Draws one scene; pure, to be used under `jit` (with `size` static) and `vmap`.

    Args:
      scene: what to draw.
      size: pixels of each side.

    Returns:
      The picture, float32[size, size, 3] in [0, 1], and its id map.

    Raises:
      ValueError: fewer than 16 pixels, where the smallest objects are lost.
    """
    if size < 16:
        raise ValueError(f"scenes are drawn at 16 pixels or more, got size={size}")
    axis = (jnp.arange(size) + 0.5) / size * 2 - 1
    x, y = jnp.meshgrid(axis, axis)
    empty = RenderedScene(
        image=background(jnp.asarray(scene.background), jnp.asarray(scene.seed), size),
        ids=jnp.zeros((size, size), jnp.uint8),
    )

    def paint(below: RenderedScene, slot: Array) -> tuple[RenderedScene, None]:
        radius = scene.radius[slot]
        u, v = (x - scene.centre[slot, 0]) / radius, (scene.centre[slot, 1] - y) / radius
        outside = distance(scene.shape[slot], u, v)
        radius_pixels = radius * size / 2
        share = jnp.where(scene.present[slot], jnp.clip(0.5 - outside * radius_pixels, 0, 1), 0)
        edge = jnp.clip(0.5 + (outside + OUTLINE) * radius_pixels, 0, 1)[..., None]
        colour = _paint(scene.colour[slot], scene.texture[slot], u, v, radius_pixels)
        colour = colour * (1 - edge * (1 - OUTLINE_LIGHT))
        image = share[..., None] * colour + (1 - share[..., None]) * below.image
        return RenderedScene(image=image, ids=jnp.where(share > 0.5, jnp.uint8(slot + 1), below.ids)), None

    far_to_near = jnp.arange(scene.shape.shape[0])[::-1]
    drawn, _ = jax.lax.scan(paint, empty, far_to_near)
    return RenderedScene(image=jnp.clip(drawn.image, 0, 1), ids=drawn.ids)


def truth(scene: Scene, ids: UInt8[Array, "h w"]) -> Truth:
    """Counts what is seen of each object of one scene in its id map; an object without a pixel is not visible."""
    slots = jnp.arange(1, scene.shape.shape[0] + 1)
    pixels = jnp.sum(ids[..., None] == slots, axis=(0, 1))
    return Truth(pixels=pixels, visible=pixels > 0, count=jnp.sum(pixels > 0))


def _paint(colour: Array, texture: Array, u: Array, v: Array, radius_pixels: Array) -> Array:
    """The colour of an object at each place of its own frame: plain, striped (darker) or dotted (lighter)."""
    plain = jnp.array(PALETTE)[colour] * (1 - SHADE * (1 - v) / 2)[..., None]
    # Both patterns are smoothed over one pixel.
    wave = (u + v) * STRIPES_PER_RADIUS / 2
    stripe = jnp.clip(0.5 + (jnp.abs(wave % 1 - 0.5) - 0.25) * 2 / STRIPES_PER_RADIUS * radius_pixels, 0, 1)
    cell_u, cell_v = ((w * DOTS_PER_RADIUS) % 1 - 0.5 for w in (u, v))
    from_dot = (jnp.sqrt(cell_u**2 + cell_v**2) - DOT_RADIUS) / DOTS_PER_RADIUS
    dot = jnp.clip(0.5 - from_dot * radius_pixels, 0, 1)
    striped = plain * (1 - (1 - STRIPE_LIGHT) * stripe)[..., None]
    dotted = plain + ((1 - plain) * DOT_WHITE) * dot[..., None]
    return jnp.where(texture == 0, plain, jnp.where(texture == 1, striped, dotted))
