"""The one strict picture decoder, and the PNG writer.

Every file becomes float32[h, w, 3] in [0, 1] by a rule stated here, or an `ImageError` that names the record:

    mode of the file                          value
    RGB (8 bit)                               v / 255
    L, 1 (grey, black and white)              v / 255, three equal channels
    I;16, I (16-bit grey)                     v / 65535, three equal channels; values outside 0..65535 are an error
    P (palette), YCbCr, CMYK                  Pillow's conversion to RGB, then v / 255 (CMYK without colour profile)
    RGBA, LA, PA, or a transparent colour     alpha * v + (1 - alpha) * background, in float

Pillow reads 16-bit colour PNG through the upper 8 bits of each sample, so such a picture is exact to 1/255 only. The
EXIF orientation is applied. Of an animation the first frame is read. Nothing is guessed about float, Lab or HSV files:
they are an error. A picture over the pixel limit is refused before its pixels are decoded.
"""

import io
import os
import pathlib
import threading
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

GREY = (0.5, 0.5, 0.5)
SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")
VIA_RGB = ("RGB", "L", "1", "P", "CMYK", "YCbCr")
ORIENTATION_TAG = 0x0112

# What to do with rows and columns for each EXIF orientation (TIFF 6.0, tag 274).
ORIENT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[::-1],
}

TURNED = (5, 6, 7, 8)
"""Orientations that exchange height and width."""

# Silencing warnings changes state of the whole process, so one thread at a time does it, and only to read a header.
_header_lock = threading.Lock()


class ImageError(ValueError):
    """A record that does not decode to a picture; the message names it and says what to do."""


def decode(
    data: bytes, *, name: str, background: Sequence[float] = GREY, max_pixels: int = 40_000_000
) -> Float[np.ndarray, "h w 3"]:
    """Decodes the bytes of one picture file.

    Args:
      data: the whole file.
      name: what errors call the record.
      background: RGB in [0, 1] that shows through transparent pixels.
      max_pixels: the largest height * width that is decoded.

    Returns:
      float32[h, w, 3] in [0, 1].

    Raises:
      ImageError: empty, truncated, corrupt, of a mode without a stated rule, or over the pixel limit.
    """
    if not data:
        raise ImageError(f"{name}: the record is empty (0 bytes); write the file again or remove it")
    try:
        image, orientation = _open(data)
    except Exception as error:
        why = "it is over the pixel limit" if isinstance(error, Image.DecompressionBombError) else str(error)
        raise ImageError(f"{name}: not a picture that can be read ({why}); replace the file or remove it") from error
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise ImageError(
            f"{name}: {image.width} x {image.height} = {pixels} pixels is over the limit of {max_pixels}; make the "
            "picture smaller, or raise max_pixels if it can be trusted"
        )
    if image.mode not in VIA_RGB + SIXTEEN_BIT and not image.has_transparency_data:
        raise ImageError(f"{name}: no rule to read pictures of mode {image.mode!r}; save the file as 8-bit RGB")
    try:
        values = _values(image, np.asarray(background, np.float32))
    except Exception as error:
        raise ImageError(f"{name}: the picture is damaged ({error}); write the file again or remove it") from error
    return np.ascontiguousarray(ORIENT.get(orientation, ORIENT[1])(values))


def size(data: bytes, *, name: str) -> tuple[int, int]:
    """Height and width that `decode` would give, from the header alone.

    Args:
      data: the whole file, or enough of it to hold the header.
      name: what errors call the record.

    Raises:
      ImageError: it has no header of a picture.
    """
    try:
        image, orientation = _open(data)
    except Exception as error:
        raise ImageError(f"{name}: not a picture that can be read ({error}); replace the file or remove it") from error
    return (image.width, image.height) if orientation in TURNED else (image.height, image.width)


def _open(data: bytes) -> tuple[Image.Image, int]:
    """Reads the header: the picture with its pixels still undecoded, and the EXIF orientation (1 = upright)."""
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        # Read now: decoding the pixels of some formats changes the tags.
        return image, image.getexif().get(ORIENTATION_TAG, 1)


def _values(image: Image.Image, background: np.ndarray) -> np.ndarray:
    if image.mode in SIXTEEN_BIT:
        return _sixteen_bit(image, background)
    if not image.has_transparency_data:
        return from_uint8(np.asarray(image.convert("RGB")))
    rgba = from_uint8(np.asarray(image.convert("RGBA")))
    return _over(rgba[..., :3], rgba[..., 3:], background)


def _sixteen_bit(image: Image.Image, background: np.ndarray) -> np.ndarray:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ValueError(f"its grey values span {low} to {high}, expected 0 to 65535")
    grey = np.repeat(values.astype(np.float32)[..., None] / np.float32(65535), 3, axis=-1)
    if "transparency" not in image.info:
        return grey
    return _over(grey, (values != image.info["transparency"]).astype(np.float32)[..., None], background)


def _over(colour: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    return alpha * colour + (1 - alpha) * background


def from_uint8(pixels: UInt8[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """8-bit values as float32 in [0, 1]: v / 255."""
    return pixels.astype(np.float32) / np.float32(255)


def to_uint8(image: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Float values clipped to [0, 1] and rounded to 8 bits; the inverse of `from_uint8`."""
    return np.rint(np.clip(np.asarray(image, np.float32), 0, 1) * 255).astype(np.uint8)


def encode_png(image: Float[np.ndarray, "h w 3"]) -> bytes:
    """The picture as an 8-bit PNG file: clipped to [0, 1] and rounded.

    Raises:
      ValueError: not h, w, 3, or not finite.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"expected a picture of shape (h, w, 3), got {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError("the picture holds values that are not finite")
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(buffer, "PNG")
    return buffer.getvalue()


def save_png(path: str | os.PathLike[str], image: Float[np.ndarray, "h w 3"]) -> None:
    """Writes `encode_png(image)` to `path`; its folder must exist."""
    pathlib.Path(path).write_bytes(encode_png(image))
