"""Learned entropy models: what each position of a latent grid would cost to send digitally.

    y ─ pad ─ h_a ─► z ─ noise | round ─► ẑ ─ h_s ─ crop ─► mu, sigma        bits[b, h, w] = Σ_d −log2 P(ŷ | mu, sigma)
    │                                     └─ factorised prior ─► bits_z[b]                     ▲
    └───────────────────── noise | round about mu ─► ŷ ────────────────────────────────────────┘

h_a folds squares of positions into features and mixes them by dense layers, stage after stage; a 3x3 convolution at the
coarsest grid on either side lets neighbours know of each other; h_s mirrors it. The last layer starts at zero: every
latent starts as N(0, scale²).

Where lengths of analog codes are set by `bits`, z only shapes the rate model: it is neither sent nor charged, since the
receiver is told the lengths themselves. `bits_z` belongs to the training loss alone, where it keeps z honest.
Everything here passes gradients on; which of them a loss stops is the loss's affair.

CHOICE: a grid that is no multiple of the stride is padded by its edge, and `bits_z` counts the padded grid.
CHOICE: sigma = softplus(s + ln(e - 1)), 1 at s = 0 and linear above, so that no start makes it overflow.
Source: J. Ballé et al., arXiv 1802.01436, Fig. 4 (hyperprior); D. Minnen, J. Ballé, G. Toderici, arXiv 1809.02736,
section 2 (with means); J. Dai et al., arXiv 2112.10961 (its bits as lengths of analog codes: NTSCC).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.bottlenecks.factorised import FactorisedPrior
from semjax.bottlenecks.quantised import LEAST_SIGMA, at_least, gaussian_bits, noised, rounded
from semjax.nn.conv import depth_to_space, space_to_depth
from semjax.types import struct


@struct
class EntropyOut:
    """What an entropy model says of latents.

    Attributes:
      y_hat: the latents with noise, or rounded.
      bits: of each position, summed over the features.
      bits_z: of the hyper latents, per picture; 0 where there are none.
      mu, sigma: of each latent (sigma >= 0.11); None where the model is not Gaussian.
    """

    y_hat: Float[Array, "b h w d"]
    bits: Float[Array, "b h w"]
    bits_z: Float[Array, "b"]
    mu: Float[Array, "b h w d"] | None = None
    sigma: Float[Array, "b h w d"] | None = None


class HyperPrior(nn.Module):
    """Gaussian latents whose means and widths a coarser grid of hyper latents tells.

    Attributes:
      features: of y.
      hyper_features: of z.
      width: of the hidden layers.
      strides: of the stages; the product is positions of y per position of z, along each axis.
      scale: usual deviation of each feature, from which sigma starts; () = 1 for all.
      steps: whether each feature learns the step that it is rounded to, 1 at the start; `mu` and `sigma` then count
        steps, and `y_hat` what y does.
      dtype: computing type of h_a and h_s; parameters and all probabilities are float32.
    """

    features: int
    hyper_features: int
    width: int = 64
    strides: tuple[int, ...] = (2, 2)
    scale: tuple[float, ...] = ()
    steps: bool = False
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Positions of y per position of z, along each axis."""
        return math.prod(self.strides)

    def hyper_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Shape of z per picture, for a grid y of `height` x `width`."""
        return -(-height // self.stride), -(-width // self.stride), self.hyper_features

    def setup(self) -> None:
        """Makes the layers."""
        dense = lambda size, **more: nn.Dense(size, dtype=self.dtype, **more)  # noqa: E731
        self.analysis_in = dense(self.width)
        self.analysis = [dense(self.width) for _ in self.strides]
        self.analysis_out = nn.Conv(self.hyper_features, (3, 3), dtype=self.dtype)
        self.synthesis_in = nn.Conv(self.width, (3, 3), dtype=self.dtype)
        self.synthesis = [dense(self.width * s * s) for s in reversed(self.strides)]
        self.synthesis_out = dense(2 * self.features, kernel_init=nn.initializers.zeros)
        self.prior = FactorisedPrior(self.hyper_features)
        zeros = nn.initializers.zeros_init()
        self.log_step = self.param("log_step", zeros, (self.features,), jnp.float32) if self.steps else 0.0

    def __call__(
        self, y: Float[Array, "b h w d"], noise_y: Float[Array, "b h w d"] | None, noise_z: Array | None
    ) -> EntropyOut:
        """Bits of y.

        Args:
          y: latents of any grid; d = `features`.
          noise_y: uniform in (-1/2, 1/2), of y's shape (training), or None to round about the mean (evaluation).
          noise_z: the same for z, `[b, *hyper_shape(h, w)]`, or None to round.

        Returns:
          See `EntropyOut`.

        Raises:
          ValueError: for other features or noise of another shape.
        """
        _check_features(y, self.features)
        step = jnp.exp(self.log_step)
        y = y / step
        z = self.analyse(y)
        z_hat = rounded(z, 0.0) if noise_z is None else noised(z, noise_z)
        mu, sigma = self.synthesise(z_hat, y.shape[1], y.shape[2])
        y_hat = rounded(y, mu) if noise_y is None else noised(y, noise_y)
        return EntropyOut(
            y_hat=y_hat * step,
            bits=jnp.sum(gaussian_bits(y_hat, mu=mu, sigma=sigma), axis=-1),
            bits_z=jnp.sum(self.prior(z_hat), axis=(1, 2, 3)),
            mu=mu,
            sigma=sigma,
        )

    def analyse(self, y: Float[Array, "b h w d"]) -> Float[Array, "b hz wz dz"]:
        """h_a: the hyper latents z, before noise or rounding."""
        down, right = -y.shape[1] % self.stride, -y.shape[2] % self.stride
        y = y / jnp.asarray(self.scale or 1.0)
        x = self.analysis_in(jnp.pad(y, ((0, 0), (0, down), (0, right), (0, 0)), mode="edge").astype(self.dtype))
        for layer, s in zip(self.analysis, self.strides, strict=True):
            x = layer(space_to_depth(nn.gelu(x), s))
        return self.analysis_out(nn.gelu(x)).astype(jnp.float32)

    def synthesise(
        self, z_hat: Float[Array, "b hz wz dz"], height: int, width: int
    ) -> tuple[Float[Array, "b h w d"], Float[Array, "b h w d"]]:
        """h_s: means and standard deviations of a grid y of `height` x `width`."""
        x = self.synthesis_in(z_hat.astype(self.dtype))
        for layer, s in zip(self.synthesis, reversed(self.strides), strict=True):
            x = depth_to_space(layer(nn.gelu(x)), s)
        told = self.synthesis_out(nn.gelu(x))[:, :height, :width].astype(jnp.float32)
        mu, raw = jnp.split(told, 2, axis=-1)
        scale = jnp.asarray(self.scale or 1.0)
        return scale * mu, at_least(scale * jax.nn.softplus(raw + math.log(math.e - 1)), LEAST_SIGMA)


class FactorisedOnly(nn.Module):
    """Latents that know nothing of each other: one density per feature, no hyper latents. For comparison.

    Attributes:
      features: of y.
    """

    features: int

    def hyper_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """There is no z."""
        del height, width
        return 0, 0, 0

    @nn.compact
    def __call__(
        self, y: Float[Array, "b h w d"], noise_y: Float[Array, "b h w d"] | None, noise_z: Array | None
    ) -> EntropyOut:
        """As `HyperPrior`; `noise_z` is not read."""
        del noise_z
        _check_features(y, self.features)
        y_hat = rounded(y, 0.0) if noise_y is None else noised(y, noise_y)
        bits = FactorisedPrior(self.features, name="prior")(y_hat)
        return EntropyOut(y_hat=y_hat, bits=jnp.sum(bits, axis=-1), bits_z=jnp.zeros(y.shape[0], jnp.float32))


def _check_features(y: Array, features: int) -> None:
    if y.ndim != 4 or y.shape[-1] != features:
        raise ValueError(f"this entropy model is for latents [b, h, w, {features}], got {y.shape}")
