"""Linear transmission of block transform coefficients (SoftCast style), the floor every learned system stands on.

A picture is turned into an orthonormal opponent colour space (rows (1,1,1)/√3, (1,0,−1)/√2, (1,−2,1)/√6) and cut into
16×16 blocks; each block's orthonormal DCT-II gives 768 coefficients with prior means m and variances v. The
M = 2·cbr·768 coefficients of largest variance are sent as z = g (c − m) with g = v^(−1/4), which minimises the total
squared error under a power constraint. The receiver knows m, v, the noise and the picture's scale r, and forms the
linear least-squares estimate

    ĉ = m + v' a / (v' a² + σ²) · y,   y = a (c − m) + n,   v' = v (r / r₀)²,   r₀² = 2 mean(v g²),

the mean over what is sent: of every block the same coefficients, or of each block the first so many.

Source: Jakubczak and Katabi, "A cross-layer design for scalable mobile video", MobiCom 2011, section 4 (power
allocation and LLSE decoder); here with a block transform and variances fixed beforehand, so that none need be sent.
"""

import dataclasses
import functools
import importlib.resources
import pathlib
from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from semjax.bottlenecks.analog import AnalogLatents

PATCH = 16
COEFFICIENTS = 3 * PATCH * PATCH


@functools.cache
def _dct() -> np.ndarray:
    u, x = np.meshgrid(np.arange(PATCH), np.arange(PATCH), indexing="ij")
    rows = np.sqrt(2.0 / PATCH) * np.cos(np.pi * (2 * x + 1) * u / (2 * PATCH))
    rows[0] /= np.sqrt(2.0)
    return rows.astype(np.float32)


def _opponent() -> np.ndarray:
    rows = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def block_transform(image: Float[Array, "b h w 3"]) -> Float[Array, "b i j 768"]:
    """Opponent colour and orthonormal 16×16 DCT; h and w must be multiples of 16.

    Args:
      image: pictures in [0, 1].

    Returns:
      Coefficients of each block, ordered by colour, then vertical, then horizontal frequency.

    Raises:
      ValueError: if a side is not a multiple of 16.
    """
    b, h, w, _ = image.shape
    if h % PATCH or w % PATCH:
        raise ValueError(
            f"block_transform needs sides that are multiples of {PATCH}, got {h}x{w}; pad the picture first"
        )
    blocks = (image @ _opponent().T).reshape(b, h // PATCH, PATCH, w // PATCH, PATCH, 3)
    coefficients = jnp.einsum("biyjxc,uy,vx->bijcuv", blocks, _dct(), _dct())
    return coefficients.reshape(b, h // PATCH, w // PATCH, COEFFICIENTS)


def inverse_block_transform(coefficients: Float[Array, "b i j 768"]) -> Float[Array, "b h w 3"]:
    """Inverse of `block_transform`."""
    b, i, j, _ = coefficients.shape
    blocks = coefficients.reshape(b, i, j, 3, PATCH, PATCH)
    image = jnp.einsum("bijcuv,uy,vx->biyjxc", blocks, _dct(), _dct())
    return image.reshape(b, i * PATCH, j * PATCH, 3) @ _opponent()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prior:
    """Means and variances of the 768 coefficients, in units of the picture's [0, 1] range."""

    mean: np.ndarray
    variance: np.ndarray


def fit_prior(images: Iterable[np.ndarray]) -> Prior:
    """Prior of a set of pictures `[h, w, 3]` in [0, 1]; each is cropped to multiples of 16.

    Raises:
      ValueError: if no picture is at least 16×16.
    """
    count, total, square = 0, np.zeros(COEFFICIENTS), np.zeros(COEFFICIENTS)
    for image in images:
        h, w = (side // PATCH * PATCH for side in image.shape[:2])
        if not h or not w:
            continue
        rows = (
            np.asarray(block_transform(jnp.asarray(image[None, :h, :w]))).reshape(-1, COEFFICIENTS).astype(np.float64)
        )
        count, total, square = count + len(rows), total + rows.sum(0), square + (rows**2).sum(0)
    if not count:
        raise ValueError(f"no picture of at least {PATCH}x{PATCH} pixels to fit the linear prior on")
    mean = total / count
    return Prior(mean=mean.astype(np.float32), variance=(square / count - mean**2).astype(np.float32))


def save_prior(path: str | pathlib.Path, prior: Prior) -> None:
    """Writes a prior as npz."""
    np.savez(path, mean=prior.mean, variance=prior.variance)


@functools.cache
def load_prior(name: str) -> Prior:
    """The packaged prior of that name ("natural": bsds500 train), or the npz file at that path.

    Raises:
      ValueError: if there is neither.
    """
    packaged = importlib.resources.files("semjax.bottlenecks") / f"prior_{name}.npz"
    source = packaged if packaged.is_file() else pathlib.Path(name)
    if not source.is_file():
        raise ValueError(
            f"linear prior {name!r} is neither packaged ('natural') nor a file; "
            "make one with: python -m semjax.app.fit_prior --root DIR --output FILE.npz"
        )
    with source.open("rb") as file, np.load(file) as arrays:
        return Prior(mean=arrays["mean"], variance=np.maximum(arrays["variance"], 1e-9))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearCode:
    """The linear code at a rate: which coefficients are sent, with which gain.

    Attributes:
      cbr: channel uses per picture value (h·w·3), between 1/1536 and 1/2.
      prior: name of a packaged prior or path of an npz file.
    """

    cbr: float
    prior: str = "natural"

    def __post_init__(self) -> None:
        if not 1 <= self.features <= COEFFICIENTS:
            raise ValueError(f"cbr {self.cbr} is outside what a linear code can send: 1/1536 to 1/2")

    @property
    def features(self) -> int:
        """Real coefficients sent per block."""
        return round(2 * self.cbr * COEFFICIENTS)

    @property
    def kept(self) -> np.ndarray:
        """Indices of the coefficients sent, largest variance first."""
        return np.argsort(-load_prior(self.prior).variance, kind="stable")[: self.features]

    @property
    def variance(self) -> np.ndarray:
        """Prior variance of the coefficients sent."""
        return load_prior(self.prior).variance[self.kept]

    @property
    def gain(self) -> np.ndarray:
        """v^(−1/4) of the coefficients sent."""
        return self.variance**-0.25

    @property
    def reference(self) -> float:
        """r₀: rms of a complex symbol before normalisation when a picture follows the prior."""
        return float(np.sqrt(2.0 * np.mean(self.variance * self.gain**2)))

    def analyse(self, image: Float[Array, "b h w 3"]) -> Float[Array, "b i j m"]:
        """Weighted coefficients z = g (c − m) of padded pictures."""
        kept = self.kept
        return (block_transform(image)[..., kept] - load_prior(self.prior).mean[kept]) * self.gain

    def synthesise(self, latents: AnalogLatents) -> Float[Array, "b h w 3"]:
        """Linear least-squares picture from received latents; not clipped."""
        return self.picture(self.estimate(latents))

    def estimate(self, latents: AnalogLatents) -> Float[Array, "b i j m"]:
        """Linear least-squares estimate of c − m from received latents; 0, the prior's, for what was not sent."""
        scale = latents.scale[:, None, None, None]
        power = jnp.asarray(2.0 * self.variance * self.gain**2)
        # How often each coefficient is sent, over the most sent: exactly 0 or 1 where all blocks send the same.
        often = jnp.sum(latents.sent, axis=(1, 2), keepdims=True)
        often = often / jnp.maximum(jnp.max(often, axis=-1, keepdims=True), 1.0)
        total = jnp.sum(often, axis=-1, keepdims=True)
        reference2 = jnp.sum(often * power, axis=-1, keepdims=True) / jnp.where(total > 0, total, 1.0)
        reference2 = jnp.where(total > 0, reference2, 1.0)
        variance = jnp.asarray(self.variance) * scale**2 / reference2
        amplitude = latents.gain * self.gain / scale
        return variance * amplitude / (variance * amplitude**2 + latents.noise_var) * latents.values

    def picture(self, estimate: Float[Array, "b i j m"]) -> Float[Array, "b h w 3"]:
        """The picture whose coefficients are the prior's means, plus `estimate` for those of the code; not clipped."""
        mean = jnp.asarray(load_prior(self.prior).mean)
        full = jnp.broadcast_to(mean, (*estimate.shape[:-1], COEFFICIENTS))
        return inverse_block_transform(full.at[..., self.kept].add(estimate))
