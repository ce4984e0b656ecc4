"""Encoders: picture to latents, by name.

"conv_public" is the published form of "conv", whose last layer has an activation; a system that adds the encoder's
output to something else wants none. "swin_public" and "swin_snr" are the published forms of "swin" with gates for SNR
and rate, and for the SNR alone.
"""

import functools

from semjax.encoders.conv import ConvEncoder, ResidualConvEncoder
from semjax.encoders.swin import SwinEncoder
from semjax.nn.conv import Identity
from semjax.nn.modulate import ModNet, ModNets

ENCODERS = {
    "conv": functools.partial(ConvEncoder, final=Identity),
    "conv_public": ConvEncoder,
    "residual_conv": ResidualConvEncoder,
    "swin": SwinEncoder,
    "swin_public": functools.partial(SwinEncoder, gate=ModNets),
    "swin_snr": functools.partial(SwinEncoder, gate=ModNet),
}
