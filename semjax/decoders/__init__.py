"""Decoders: latents to picture, by name."""

from semjax.decoders.conv import ConvDecoder, ResidualConvDecoder

DECODERS = {"conv": ConvDecoder, "residual_conv": ResidualConvDecoder}
