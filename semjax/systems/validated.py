"""What is known of the picture codecs from validation pictures: the criterion that schemes are chosen by.

The file is made by `python benchmarks/separation.py validate`: mean PSNR over bits per pixel of bsds500 val, where
every picture gets the same bits, and the mean colour of bsds500 train.
"""

import dataclasses
import functools
import importlib.resources
import json

from semjax.link.envelope import Quality

FILE = "validated.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Validation:
    """The mean colour of the training pictures, RGB in [0, 1], and each codec's quality by its name."""

    colour: tuple[float, float, float]
    quality: dict[str, Quality]


@functools.cache
def validation() -> Validation:
    """What comes with the package."""
    text = (importlib.resources.files("semjax.systems") / FILE).read_text(encoding="utf-8")
    found = json.loads(text)
    red, green, blue = found["colour"]
    curves = {
        name: Quality(bpp=tuple(c["bpp"]), mean=tuple(c["psnr"]), lost=found["lost_psnr"])
        for name, c in found["codecs"].items()
    }
    return Validation(colour=(red, green, blue), quality=curves)
