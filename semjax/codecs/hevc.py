"""HEVC intra: one picture of H.265 in HEIF, by libheif and x265 in pillow-heif (extra `codecs`).

Of a file, only the content of the slice NAL unit is sent. The boxes (among them hvcC with the parameter sets, which
were found to depend on size and setting alone) and the two bytes of the NAL header are those of a black picture of
the same size at the same setting; the length of the NAL unit follows from that of the body. BPG is the same coding in
another container.

CHOICE: 4:4:4, preset veryslow, tune psnr (which leaves adaptive quantisation off) and chroma offsets of 1. Left alone,
x265 adds 6 to the chroma QP at 4:4:4; with 1 the PSNR of RGB was 0.35 to 0.5 dB higher at equal size on four pictures
of the BSDS500 validation set.

CHOICE: between two whole QPs, which are 5 to 25 % apart in size, lies the lower one with a little adaptive
quantisation: the stronger it is, the nearer the size comes to that of the higher QP. Where the middle lies depends on
the picture, so there are three strengths. The finest setting that fits then fills 97 % of a budget instead of 93 %, for
0.15 dB more (four pictures of BSDS500, eight budgets). A CRF with a fraction is of no use: the fraction is dropped.

CHOICE: no wavefront, no thread pool: the file does not depend on the number of cores.

Pictures under 64 pixels high or wide are coded as 64 and cropped, so tiny ones cost more than they could.
"""

import dataclasses
import io
import math
from types import ModuleType

import numpy as np
from PIL import Image

from semjax.codecs import isobmff
from semjax.codecs.base import Codec, Picture, load_wheel
from semjax.codecs.headerless import Headerless

NAL_LENGTH, NAL_HEADER = 4, 2
COARSEST, FINEST = 50, 3
"""QPs of libheif's qualities 0 and 94; above 94 the files stay the same."""

STRENGTHS = {0.75: 0.22, 0.5: 0.16, 0.25: 0.12}
"""Strength of the adaptive quantisation by the fraction of the QP."""

QPS = tuple(quarter / 4 for quarter in range(4 * COARSEST, 4 * FINEST - 1, -1))
PARAMETERS = {
    "preset": "veryslow",
    "tune": "psnr",
    "x265:cbqpoffs": "1",
    "x265:crqpoffs": "1",
    "x265:wpp": "0",
    "x265:pools": "none",
    "x265:frame-threads": "1",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class HevcFile:
    """Files of 4:4:4; the setting is the QP, 50 to 3, in quarters."""

    def write(self, image: Picture, setting: float) -> bytes:
        """Writes a file without thumbnail, tiles or metadata."""
        fraction, qp = math.modf(setting)
        with io.BytesIO() as file:
            picture = _pillow_heif().from_pillow(Image.fromarray(image))
            picture.save(file, quality=100 - 2 * int(qp), chroma="444", enc_params=_parameters(fraction), tile_size=0)
            return file.getvalue()

    def read(self, file: bytes) -> Picture:
        """Reads a file."""
        return np.array(_pillow_heif().open_heif(file).to_pillow().convert("RGB"))

    def strip(self, file: bytes) -> bytes:
        """Leaves the content of the NAL unit."""
        return isobmff.coded(file)[NAL_LENGTH + NAL_HEADER :]

    def restore(self, body: bytes, blank: bytes) -> bytes:
        """Puts headers and boxes around the slice."""
        unit = isobmff.coded(blank)[NAL_LENGTH : NAL_LENGTH + NAL_HEADER] + body
        return isobmff.refill(blank, len(unit).to_bytes(NAL_LENGTH, "big") + unit)


def hevc_codec() -> Codec:
    """HEVC intra at 189 settings.

    Raises:
      MissingWheel: pillow-heif is not installed.
    """
    heif = _pillow_heif()
    encoder = heif.libheif_info()["encoders"].get("x265", "no x265")
    return Headerless(
        name="hevc",
        terms=f"{encoder} (pillow-heif {heif.__version__}, libheif {heif.libheif_version()}), intra, 4:4:4, veryslow, "
        "tune psnr, chroma offsets 1, QP 50 to 3 in quarters, headers that both ends know not sent",
        settings=QPS,
        file_format=HevcFile(),
    )


def _parameters(fraction: float) -> dict[str, str]:
    """Of x265, for a QP with a fraction; a new dict, because pillow-heif adds to it."""
    if not fraction:
        return dict(PARAMETERS)
    adaptive = {"x265:aq-mode": "1", "x265:aq-strength": str(STRENGTHS[fraction]), "x265:qg-size": "64"}
    return PARAMETERS | adaptive


def _pillow_heif() -> ModuleType:
    return load_wheel("pillow_heif", wheel="pillow-heif", codec="hevc")
