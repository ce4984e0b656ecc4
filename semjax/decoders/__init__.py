"""Decoders: latents to picture, by name.

"conv_public" is the published form of "conv" and ends in a sigmoid; a system that adds the decoder's picture to another
wants none.
"""

import functools

from semjax.decoders.conv import ConvDecoder, ResidualConvDecoder
from semjax.decoders.swin import SwinDecoder
from semjax.nn.conv import Identity
from semjax.nn.modulate import ModNet

DECODERS = {
    "conv": functools.partial(ConvDecoder, final=Identity()),
    "conv_public": ConvDecoder,
    "residual_conv": ResidualConvDecoder,
    "swin": SwinDecoder,
    "swin_public": functools.partial(SwinDecoder, gate=ModNet, last_kernel=1),
    "swin_snr": functools.partial(SwinDecoder, gate=ModNet, last_kernel=1),
}
