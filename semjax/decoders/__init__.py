"""Decoders: latents to picture, by name.

"conv_public" is the published form of "conv" and ends in a sigmoid; a system that adds the decoder's picture to another
wants none.
"""

import functools

from semjax.decoders.conv import ConvDecoder, ResidualConvDecoder
from semjax.nn.conv import Identity

DECODERS = {
    "conv": functools.partial(ConvDecoder, final=Identity()),
    "conv_public": ConvDecoder,
    "residual_conv": ResidualConvDecoder,
}
