"""Decoders of received analog latents: linear, learned on top of linear, learned alone."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from semjax.bottlenecks.analog import AnalogLatents
from semjax.bottlenecks.linear import LinearCode
from semjax.encoders.linear import gate
from semjax.nn.conv import depth_to_space
from semjax.types import Image, Public


class LinearDecoder(nn.Module):
    """The linear least-squares picture; no parameters.

    Attributes:
      code: the linear code.
    """

    code: LinearCode

    def __call__(self, latents: AnalogLatents, public: Public) -> Image:
        """Pictures, not clipped."""
        return self.code.synthesise(latents)


class ResidualDecoder(nn.Module):
    """`linear picture + net(latents)`: with a zero last layer, exactly the linear receiver at step 0.

    The network sees the received latents at unit power, and as its SNR the one after fading, which the receiver knows.

    Attributes:
      code: the linear code.
      net: (latents[b, h/s, w/s, c], public) → [b, h, w, 3].
      unfold: 16 / s, how much finer the network's grid is than the blocks.
    """

    code: LinearCode
    net: nn.Module
    unfold: int = 1

    def __call__(self, latents: AnalogLatents, public: Public) -> Image:
        """Pictures, not clipped."""
        seen = dataclasses.replace(public, snr_db=latents.effective_snr_db())
        features = depth_to_space(latents.normalised() * jnp.sqrt(2.0), self.unfold)
        return self.code.synthesise(latents) + self.net(features, seen)


class GatedDecoder(nn.Module):
    """`picture(estimate · gate(g)) + (r/r₀) · net.fine(f)` with `f = net.coarse(latents)`, `g` a Dense of f.

    With zero last layers exactly the linear receiver at step 0. The gate turns the prior's Wiener filter into one for
    the content at hand; the rest scales with the picture's contrast, which the latents, at unit power, do not show.

    Attributes:
      code: the linear code.
      net: a network of stride 16 with `coarse` and `fine`, such as `SwinDecoder`.
    """

    code: LinearCode
    net: Any

    @nn.compact
    def __call__(self, latents: AnalogLatents, public: Public) -> Image:
        """Pictures, not clipped."""
        seen = dataclasses.replace(public, snr_db=latents.effective_snr_db())
        features = self.net.coarse(latents.normalised() * jnp.sqrt(2.0), seen)
        raw = nn.Dense(self.code.features, kernel_init=nn.initializers.zeros, name="gate")(features)
        linear = self.code.picture(self.code.estimate(latents) * gate(raw.astype(jnp.float32)))
        contrast = (latents.scale / self.code.reference)[:, None, None, None]
        return linear + contrast * self.net.fine(features, seen)


class PlainDecoder(nn.Module):
    """A network alone: no linear start, no scale needed.

    Attributes:
      net: (latents[b, h/s, w/s, c], public) → [b, h, w, 3].
    """

    net: nn.Module

    def __call__(self, latents: AnalogLatents, public: Public) -> Image:
        """Pictures, clipped or not as the network does."""
        return self.net(latents.normalised(), public)
