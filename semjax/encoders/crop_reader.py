"""The crop reader: what is in a box of a picture, read from 16 x 16 values of it.

    picture ─► crop(box, 1.25 x) [16, 16, 3] ─► Dense ─► Dense = features ─┬► shape, colour, texture
       │                                                                  └► nothing | something
       └─────► crop(whole picture) [16, 16, 3] ─► Dense ─► background

A crop is separable: with c_i the centre of cell i along an axis, in pixels, and s the pixels per cell,

    crop[i, j] = Σ_{y, x} w_i(y) v_j(x) picture[y, x],     w_i(y) ∝ max(0, 1 - |y - c_i| / max(s, 1)),   Σ_y w_i(y) = 1

that is linear interpolation where the picture is coarser than the crop and an area average where it is finer, so one
network serves pictures of every size. Centres beyond the border are moved onto it: the border is repeated.

CHOICE: dense layers only; at 16 x 16 they read as well as convolutions and are several times faster on a CPU.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.scenes.shapes import SHAPES
from semjax.scenes.world import BACKGROUNDS, COLOURS, TEXTURES
from semjax.types import Image, Tree, struct

SIDE = 16
MARGIN = 1.25
WHOLE = (0.0, 0.0, 1.0, 1.0)


@struct
class Readings:
    """Logits of what is read, per box and, of the background, per picture.

    Attributes:
      shape, colour, texture: over `SHAPES`, `COLOURS`, `TEXTURES`.
      something: over (nothing, something): whether the box holds an object.
      background: over `BACKGROUNDS`.
      features: the last hidden layer of each box; no logits.
    """

    shape: Float[Array, "*b d 8"]
    colour: Float[Array, "*b d 8"]
    texture: Float[Array, "*b d 3"]
    something: Float[Array, "*b d 2"]
    background: Float[Array, "*b 4"]
    features: Float[Array, "*b d p"]


class CropReader(nn.Module):
    """Reads crops; see the module's docstring.

    Attributes:
      width: of the first layer.
      embed: of the last hidden layer, the features.
      scene_width: of the background's hidden layer.
    """

    width: int = 256
    embed: int = 128
    scene_width: int = 32

    @nn.compact
    def __call__(self, crops: Float[Array, "*b d 16 16 3"], whole: Float[Array, "*b 16 16 3"]) -> Readings:
        """Readings of the crops of d boxes and of the whole picture."""
        features = nn.gelu(nn.Dense(self.embed, name="embed")(nn.gelu(nn.Dense(self.width, name="crop")(_flat(crops)))))
        scene = nn.gelu(nn.Dense(self.scene_width, name="scene")(_flat(whole)))
        return Readings(
            shape=nn.Dense(len(SHAPES), name="shape")(features),
            colour=nn.Dense(len(COLOURS), name="colour")(features),
            texture=nn.Dense(len(TEXTURES), name="texture")(features),
            something=nn.Dense(2, name="something")(features),
            background=nn.Dense(len(BACKGROUNDS), name="background")(scene),
            features=features,
        )


def read(variables: Tree, images: Image, boxes: Float[Array, "b d 4"], *, module: CropReader | None = None) -> Readings:
    """Reads boxes of pictures; pure, to be used under `jit` in bulk.

    Args:
      variables: {"params": ...} of the network.
      images: [b, h, w, 3] in [0, 1], any size.
      boxes: (top, left, bottom, right), as shares of height and width.
      module: the network; None = the usual one.

    Returns:
      Readings of every box, and of the backgrounds.
    """
    crops, whole = crops_of(images, boxes), whole_of(images)
    return (module or CropReader()).apply(variables, crops, whole)  # type: ignore[return-value]


def crops_of(images: Image, boxes: Float[Array, "b d 4"]) -> Float[Array, "b d 16 16 3"]:
    """Crops of `MARGIN` times the boxes."""
    return jax.vmap(lambda image, own: jax.vmap(lambda box: crop(image, box, MARGIN))(own))(images, boxes)


def whole_of(images: Image) -> Float[Array, "b 16 16 3"]:
    """Whole pictures at 16 x 16."""
    return jax.vmap(lambda image: crop(image, jnp.array(WHOLE), 1.0))(images)


def crop(image: Float[Array, "h w 3"], box: Float[Array, "4"], margin: float) -> Float[Array, "16 16 3"]:
    """What lies in a box, `margin` times as large, at 16 x 16; see the module's docstring.

    Args:
      image: any size.
      box: (top, left, bottom, right), as shares of height and width.
      margin: factor on the box's sides.

    Returns:
      [16, 16, 3].
    """
    rows = _weights(box[0], box[2], pixels=image.shape[0], margin=margin)
    columns = _weights(box[1], box[3], pixels=image.shape[1], margin=margin)
    return jnp.einsum("sh,hwc,tw->stc", rows, image, columns, precision="highest")


def _weights(low: Array, high: Array, *, pixels: int, margin: float) -> Array:
    """The weights of `pixels` pixels in the 16 cells along one axis, [16, pixels]; each row sums to 1."""
    middle, half = (low + high) / 2 * pixels, (high - low) / 2 * pixels * margin
    offsets = (jnp.arange(SIDE) + 0.5) / SIDE * 2 - 1
    centres = jnp.clip(middle + offsets * half - 0.5, 0, pixels - 1)
    reach = jnp.maximum(2 * half / SIDE, 1)
    weights = jnp.maximum(1 - jnp.abs(jnp.arange(pixels) - centres[:, None]) / reach, 0)
    return weights / jnp.sum(weights, axis=1, keepdims=True)


def _flat(crops: Array) -> Array:
    """Values of a crop as one axis, about 0 and of size 1."""
    return (crops.reshape(*crops.shape[:-3], -1) - 0.5) * 4
