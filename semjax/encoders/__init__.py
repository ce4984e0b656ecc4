"""Encoders: picture to latents, by name."""

from semjax.encoders.conv import ConvEncoder, ResidualConvEncoder

ENCODERS = {"conv": ConvEncoder, "residual_conv": ResidualConvEncoder}
