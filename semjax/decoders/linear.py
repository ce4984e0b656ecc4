"""Decoders of received analog latents: linear, learned on top of linear, learned alone."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from semjax.bottlenecks.analog import AnalogLatents
from semjax.bottlenecks.linear import LinearCode
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


class PlainDecoder(nn.Module):
    """A network alone: no linear start, no scale needed.

    Attributes:
      net: (latents[b, h/s, w/s, c], public) → [b, h, w, 3].
    """

    net: nn.Module

    def __call__(self, latents: AnalogLatents, public: Public) -> Image:
        """Pictures, clipped or not as the network does."""
        return self.net(latents.normalised(), public)
