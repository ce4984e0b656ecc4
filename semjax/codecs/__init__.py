"""Classical picture codecs: well-kept libraries behind one interface.

picture ─► ladder: the finest setting that fits a budget ─► payload ─► padding ─► bytes for the digital link
            codec: jpeg, jpeg2000, webp, avif, hevc, jpegxl          shelf: keeps what was compressed, on disk
                   headerless: a payload has no header that both ends know

    from semjax.codecs import codec
    from semjax.codecs.ladder import decode, encode

    data = encode(codec("avif"), image, 2_000)                               # 2,000 bytes
    image = decode(codec("avif"), data, height=image.shape[0], width=image.shape[1])

All codecs work on RGB of 8 bits per sample and take pictures of any size from 1 x 1. The codecs hevc and jpegxl need
the extra `codecs`.
"""

from collections.abc import Callable

from semjax.codecs.avif import avif_codec
from semjax.codecs.base import Codec
from semjax.codecs.hevc import hevc_codec
from semjax.codecs.jpeg import jpeg420_codec, jpeg_codec
from semjax.codecs.jpeg2000 import jpeg2000_codec
from semjax.codecs.jpegxl import jpegxl_codec
from semjax.codecs.webp import webp_codec

CODECS: dict[str, Callable[[], Codec]] = {
    "jpeg": jpeg_codec,
    "jpeg420": jpeg420_codec,
    "jpeg2000": jpeg2000_codec,
    "webp": webp_codec,
    "avif": avif_codec,
    "hevc": hevc_codec,
    "jpegxl": jpegxl_codec,
}
"""How to make each codec."""


def codec(name: str) -> Codec:
    """Makes a codec.

    Args:
      name: a key of `CODECS`.

    Returns:
      The codec.

    Raises:
      ValueError: there is no codec of that name.
      MissingWheel: its library is not installed; the message says how to get it.
    """
    if name not in CODECS:
        raise ValueError(f"no codec {name!r}; known are {', '.join(CODECS)}")
    return CODECS[name]()
