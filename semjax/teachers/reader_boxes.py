"""The boxes that the reader learns from, with what is right to say of each; drawn inside the training step.

| box                                            | is to be read as                    |
|------------------------------------------------|-------------------------------------|
| of an object, moved and resized by some percent | the object                          |
| of an object that was painted over             | nothing                             |
| drawn anywhere, holding <= 10 % of any object  | nothing                             |
| drawn anywhere else                            | either: it does not count           |
| any, in a picture that was painted over        | nothing                             |

Painting over puts the picture's mean colour, or a grey, where the object or everything was: what is not in the picture
must not be read.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt8

from semjax.scenes.decoys import MOST_COVERED
from semjax.scenes.world import SceneConfig
from semjax.types import Image, Keys, struct

ANYWHERE = 12
"""Boxes drawn anywhere, per picture."""
MOVED = 0.05
RESIZED = 0.05
ERASED = 0.2
"""Share of the pictures in which one object is painted over."""
BLANKED = 0.06
"""Share of the pictures that are painted over altogether."""


@struct
class Lesson:
    """Pictures to read from, boxes, and what is right.

    Attributes:
      image: with something painted over in some.
      boxes: (top, left, bottom, right); first one per slot, then those drawn anywhere.
      something, nothing: what each box is to be read as; neither = it does not count.
    """

    image: Float[Array, "*b h w 3"]
    boxes: Float[Array, "*b d 4"]
    something: Bool[Array, "*b d"]
    nothing: Bool[Array, "*b d"]


def lessons(images: Image, labels: Mapping[str, Array], keys: Keys) -> Lesson:
    """Draws one lesson per picture; pure.

    Args:
      images: [b, h, w, 3].
      labels: of the scenes: centre [b, n, 2] and radius [b, n] in half widths, present [b, n], ids [b, h, w].
      keys: one per picture.

    Returns:
      Lessons with n + `ANYWHERE` boxes.
    """
    centre, radius, present, ids = (labels[name] for name in ("centre", "radius", "present", "ids"))
    return jax.vmap(_lesson)(images, centre, radius, present, ids, keys)


def _lesson(image: Array, centre: Array, radius: Array, present: Array, ids: Array, key: Key[Array, ""]) -> Lesson:
    slots = len(present)
    move, resize, erase, blank, places, sizes = jax.random.split(key, 6)
    true = box_of(centre, radius)
    chance = jax.random.uniform(erase, (3,))
    gone = (jnp.arange(slots) == jnp.floor(chance[0] * slots)) & (chance[1] < ERASED) & present
    patch = true[jnp.argmax(gone)]
    fill = jnp.where(chance[2] < 0.5, jnp.mean(image, axis=(0, 1)), jax.random.uniform(blank))
    inside = jnp.outer(*_insides(patch[None], ids.shape))[..., None] & jnp.any(gone)
    blanked = jax.random.uniform(jax.random.fold_in(blank, 1)) < BLANKED
    spoilt = jnp.any(gone) & (held(patch[None], ids, slots)[0] > MOST_COVERED)
    left = present & ~gone & ~blanked
    moved = box_of(
        centre + MOVED * radius[:, None] * jax.random.normal(move, (slots, 2)),
        radius * jnp.exp(RESIZED * jax.random.normal(resize, (slots,))),
    )
    usual = SceneConfig()
    half = jax.random.uniform(sizes, (ANYWHERE,), minval=usual.radius_min, maxval=usual.radius_max)
    anywhere = box_of((1 - half[:, None]) * jax.random.uniform(places, (ANYWHERE, 2), minval=-1.0), half)
    most = jnp.max(jnp.where(left, held(anywhere, ids, slots), 0), axis=1)
    return Lesson(
        image=jnp.where(inside | blanked, fill, image),
        boxes=jnp.concatenate([moved, anywhere]),
        something=jnp.concatenate([left & ~spoilt, jnp.zeros(ANYWHERE, bool)]),
        nothing=jnp.concatenate([present & (gone | blanked), most <= MOST_COVERED]),
    )


def box_of(centre: Float[Array, "*n 2"], radius: Float[Array, "*n"]) -> Float[Array, "*n 4"]:
    """The boxes (top, left, bottom, right), as shares, of discs given by x, y and radius in half widths."""
    x, y = centre[..., 0], centre[..., 1]
    return (jnp.stack([y - radius, x - radius, y + radius, x + radius], axis=-1) + 1) / 2


def held(boxes: Float[Array, "d 4"], ids: UInt8[Array, "h w"], slots: int) -> Float[Array, "d n"]:
    """The share of what is seen of each object that each box holds; as `semjax.scenes.decoys.covered`."""
    rows, columns = (side.astype(jnp.float32) for side in _insides(boxes, ids.shape))
    masks = (ids[..., None] == jnp.arange(1, slots + 1)).astype(jnp.float32)
    inside = jnp.einsum("dh,hwn,dw->dn", rows, masks, columns)
    return inside / jnp.maximum(jnp.sum(masks, axis=(0, 1)), 1)


def _insides(boxes: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Which rows and columns of pixels each box holds, bool[d, h] and bool[d, w]."""
    rows, columns = ((jnp.arange(n) + 0.5) / n for n in shape)
    return (
        (rows >= boxes[:, :1]) & (rows < boxes[:, 2:3]),
        (columns >= boxes[:, 1:2]) & (columns < boxes[:, 3:]),
    )
