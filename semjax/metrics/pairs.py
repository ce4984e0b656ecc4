"""What makes two pictures comparable: one shape, and one grid of grey levels.

    quantize(x) = round(255 clip(x, 0, 1)) / 255

Every reported figure describes the picture a viewer gets, which has 8 bits per sample; nothing is quantized or clipped
before a loss.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def check_pair(image: Float[Array, "..."], target: Float[Array, "..."]) -> None:
    """Refuses pictures that would have to be broadcast to be compared.

    Args:
      image: a batch of RGB pictures, `[b, h, w, 3]`.
      target: a batch of the same shape.

    Raises:
      ValueError: the shapes differ, or are not `[b, h, w, 3]`.
    """
    if image.shape != target.shape:
        raise ValueError(
            f"image has shape {image.shape} but target has shape {target.shape}; nothing is broadcast here: "
            "bring both to one [b, h, w, 3] shape"
        )
    if image.ndim != 4 or image.shape[-1] != 3:
        raise ValueError(f"image and target have shape {image.shape}; expected batches of RGB pictures, [b, h, w, 3]")


def check_map(image: Float[Array, "..."], *, name: str, values: Float[Array, "..."]) -> None:
    """Refuses a per-pixel map that does not lie over the pictures one to one.

    Args:
      image: a batch of pictures, `[b, h, w, 3]`.
      name: what the map is called where it came from, for the message.
      values: the map, `[b, h, w]`.

    Raises:
      ValueError: the map's shape is not the pictures' `[b, h, w]`.
    """
    if values.shape != image.shape[:3]:
        raise ValueError(
            f"{name} has shape {values.shape} but the pictures have shape {image.shape}; expected {name} of shape "
            f"{image.shape[:3]}: resize it to the pictures first"
        )


def quantize(image: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """Clips to [0, 1] and rounds to the 256 levels of an 8-bit picture.

    Args:
      image: pictures, any real values.

    Returns:
      float32 pictures `[b, h, w, 3]` whose values are k / 255.

    >>> quantize(jnp.full((1, 1, 1, 3), 0.5))[0, 0, 0, 0] * 255
    Array(128., dtype=float32)
    """
    return jnp.round(jnp.clip(image, 0.0, 1.0) * 255.0).astype(jnp.float32) / 255.0
