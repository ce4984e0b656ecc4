"""MobileNet v1 for inference, with frozen batch normalisation.

    image ─ conv3 s2 ─ BN ─ ReLU6 ─ 13 x [depthwise conv3 ─ BN ─ ReLU6 ─ conv1 ─ BN ─ ReLU6] ─► map
    map ─ mean ─► pooled ─ conv1 ─► logits

    BN(x) = (x − moving_mean) · gamma / √(moving_variance + 0.001) + beta,      ReLU6(x) = min(max(x, 0), 6)

All convolutions are zero padded to ⌈side / stride⌉ outputs; where the padding is odd the extra zero is at the end.
Names and shapes of the parameters are those of the Keras layout (`conv_dw_3/depthwise_kernel`, `conv_pw_3_bn/gamma`),
so weights of that layout are read without a table of names.

XLA's CPU backend has no fast path for depthwise convolutions, so they are computed as nine shifted products.

Source: A. Howard et al., arXiv 1704.04861, Table 1.
"""

import os
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

EPSILON = 1e-3
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
WIDTHS_075 = (48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 768, 768)


class WeightsError(ValueError):
    """Weights that do not fit the network; the message names the array."""


class MobileNetOut(NamedTuple):
    """The last feature map, its mean, the logits, and the map before the last stride."""

    map: Float[Array, "b hl wl d"]
    pooled: Float[Array, "b d"]
    logits: Float[Array, "b c"]
    middle: Float[Array, "b hm wm dm"]


def same_padding(side: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis, for a kernel of 3 and ⌈side / stride⌉ outputs.

    >>> same_padding(224, 2), same_padding(7, 2), same_padding(7, 1)
    ((0, 1), (1, 1), (1, 1))
    """
    total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
    return total // 2, total - total // 2


def depthwise_conv(
    x: Float[Array, "b h w d"], kernel: Float[Array, "3 3 d 1"], stride: int
) -> Float[Array, "b hs ws d"]:
    """Depthwise 3x3 convolution as nine shifted products: out[y, x] = Σ_{a, c} kernel[a, c] · x[s·y + a, s·x + c].

    Args:
      x: [b, h, w, d].
      kernel: [3, 3, d, 1].
      stride: s.

    Returns:
      [b, ⌈h/s⌉, ⌈w/s⌉, d].
    """
    _, height, width, _ = x.shape
    out_h, out_w = -(-height // stride), -(-width // stride)
    padded = jnp.pad(x, ((0, 0), same_padding(height, stride), same_padding(width, stride), (0, 0)))
    rows, columns = stride * (out_h - 1) + 1, stride * (out_w - 1) + 1
    shifted = [
        padded[:, a : a + rows : stride, c : c + columns : stride] * kernel[a, c, :, 0]
        for a in range(3)
        for c in range(3)
    ]
    return sum(shifted[1:], start=shifted[0])


class _Norm(nn.Module):
    """Frozen batch normalisation."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        shape = (x.shape[-1],)
        gamma = self.param("gamma", nn.initializers.ones, shape)
        beta = self.param("beta", nn.initializers.zeros, shape)
        mean = self.param("moving_mean", nn.initializers.zeros, shape)
        variance = self.param("moving_variance", nn.initializers.ones, shape)
        scale = gamma / jnp.sqrt(variance + EPSILON)
        return x * scale + (beta - mean * scale)


class _Depthwise(nn.Module):
    stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w d"]) -> Float[Array, "b hs ws d"]:
        kernel = self.param("depthwise_kernel", nn.initializers.lecun_normal(), (3, 3, x.shape[-1], 1))
        return depthwise_conv(x, kernel, self.stride)


class MobileNetV1(nn.Module):
    """The network; the defaults are those of width 0.75.

    Attributes:
      first: channels of the first convolution.
      widths: channels of the blocks.
      strides: of their depthwise convolutions.
      classes: of the logits.
    """

    first: int = 24
    widths: tuple[int, ...] = WIDTHS_075
    strides: tuple[int, ...] = STRIDES
    classes: int = 1000

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> MobileNetOut:
        """Features and logits of `image`, float32 in [0, 1]."""
        x = 2.0 * image - 1.0
        padding = [same_padding(side, 2) for side in x.shape[1:3]]
        x = nn.Conv(self.first, (3, 3), (2, 2), padding, use_bias=False, name="conv1")(x)
        middle = x = nn.relu6(_Norm(name="conv1_bn")(x))
        for i, (width, stride) in enumerate(zip(self.widths, self.strides, strict=True), start=1):
            middle = x if stride > 1 else middle
            x = nn.relu6(_Norm(name=f"conv_dw_{i}_bn")(_Depthwise(stride, name=f"conv_dw_{i}")(x)))
            x = nn.Conv(width, (1, 1), use_bias=False, name=f"conv_pw_{i}")(x)
            x = nn.relu6(_Norm(name=f"conv_pw_{i}_bn")(x))
        pooled = x.mean(axis=(1, 2))
        logits = nn.Conv(self.classes, (1, 1), name="conv_preds")(pooled[:, None, None])
        return MobileNetOut(map=x, pooled=pooled, logits=logits[:, 0, 0], middle=middle)


def load_mobilenet(path: str | os.PathLike[str], model: MobileNetV1) -> dict[str, Any]:
    """The parameters of `model` from an npz file of the Keras layout.

    Args:
      path: the file; array names are paths such as "conv_pw_3/kernel".
      model: the network that they belong to.

    Returns:
      {"params": ...} for `model.apply`.

    Raises:
      WeightsError: no such file, an array that is missing, left over, of another shape, or not finite float32.
    """
    shapes = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32))
    wanted: dict[str, Any] = dict(flatten_dict(shapes["params"], sep="/"))
    arrays = _arrays(path)
    for key in sorted(wanted.keys() | arrays.keys()):
        if key not in arrays:
            raise WeightsError(f"{path} has no array {key!r}, which this network needs; name weights of its width")
        if key not in wanted:
            raise WeightsError(f"{path}: array {key!r} belongs to no part of this network; name weights of its width")
        if arrays[key].shape != wanted[key].shape or arrays[key].dtype != np.float32:
            raise WeightsError(
                f"{path}: array {key!r} is {arrays[key].dtype}{list(arrays[key].shape)}, "
                f"expected float32{list(wanted[key].shape)}"
            )
        if not np.isfinite(arrays[key]).all():
            raise WeightsError(f"{path}: array {key!r} holds values that are not finite; copy the file again")
    return {"params": unflatten_dict({key: jnp.asarray(arrays[key]) for key in wanted}, sep="/")}


def _arrays(path: str | os.PathLike[str]) -> Mapping[str, np.ndarray]:
    if not pathlib.Path(path).is_file():
        raise WeightsError(f"no weights at {str(path)!r}; name an .npz file of MobileNet weights")
    try:
        # Opened here, because a file that numpy refuses would stay open.
        with pathlib.Path(path).open("rb") as file, np.load(file) as found:
            return {key: found[key] for key in found.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is no .npz file of arrays ({error}); copy it again") from error
