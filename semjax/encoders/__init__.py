"""Encoders: picture to latents, by name.

"conv_public" is the published form of "conv", whose last layer has an activation; a system that adds the encoder's
output to something else wants none.
"""

import functools

from semjax.encoders.conv import ConvEncoder, ResidualConvEncoder
from semjax.nn.conv import Identity

ENCODERS = {
    "conv": functools.partial(ConvEncoder, final=Identity),
    "conv_public": ConvEncoder,
    "residual_conv": ResidualConvEncoder,
}
