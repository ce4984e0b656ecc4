"""Finds sets of small pictures that were JPEG once, and refuses to measure fidelity on them.

JPEG rounds the cosine coefficients of every 8 x 8 block of brightness to multiples of a step. Saved again without loss,
the coefficients c of a frequency still lie close to these multiples, while those of untouched pictures are spread
smoothly. Over all distinct blocks of a set, frequency by frequency, with step q and the coefficients beyond q / 2,

    r = max_q mean cos(2 pi |c| / q)

is near 1 for the former (0.5 or more even at step 2, through two roundings of the pixels) and near 0 for the latter.
A set is taken for JPEG when r > 0.3 in at least 0.4 of the frequencies that have enough coefficients. It sees
qualities up to about 98; at 100 nothing is left to see, and nothing to be gained. (Lukas and Fridrich, "Estimation of
primary quantization matrix in double compressed JPEG images", DFRWS 2003, for the shape of such histograms.)

Why it matters: JPEG removes from small pictures just what a code finds hard, so codes look 0.4 to 1.5 dB better on
public JPEG copies of sets such as CIFAR-10 than on the pictures themselves. Photographs are another matter: only sets
in which every picture looked at is at most 64 x 64 are judged.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from semjax.data import images
from semjax.data.entries import encoded, size_of, unwrapped
from semjax.data.files import DataError, Source

SMALL_SIDE = 64
LOOKED_AT = 256
JPEG_START = b"\xff\xd8"
STEPS = np.arange(2, 49)
COEFFICIENTS = 100  # fewer say nothing about a frequency
FREQUENCIES = 8  # fewer say nothing about a set
PERIODIC, SHARE = 0.3, 0.4
GREY_OF_RGB = (0.299, 0.587, 0.114)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traces:
    """What was found.

    Attributes:
      pictures: how many were looked at; 0 if the set is not of small pictures.
      coded: how many of them are JPEG files.
      share: of the frequencies, those whose coefficients lie on multiples of a step.
    """

    pictures: int
    coded: int = 0
    share: float = 0.0

    @property
    def reencoded(self) -> bool:
        """Whether the set went through JPEG."""
        return self.coded > 0 or self.share >= SHARE


def traces(source: Source, *, limit: int | None = None) -> Traces:
    """Looks at up to `LOOKED_AT` pictures of a source, spread evenly, if all of them are small.

    Args:
      source: the pictures.
      limit: only the first so many are of interest.
    """
    core = unwrapped(source)
    count = len(core) if limit is None else min(limit, len(core))
    chosen = np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).round().astype(int)).tolist()
    for index in chosen:
        size = size_of(core, index)
        if size is None or max(size) > SMALL_SIDE:
            return Traces(pictures=0)
    coded = sum((encoded(core, index) or b"").startswith(JPEG_START) for index in chosen)
    return Traces(pictures=len(chosen), coded=coded, share=0.0 if coded else _share([core[i]["image"] for i in chosen]))


def check_lossless(source: Source, *, allowed: bool, limit: int | None = None) -> dict[str, str]:
    """Refuses a set of small pictures that went through JPEG.

    Args:
      source: what fidelity is to be measured on.
      allowed: measure all the same.
      limit: only the first so many pictures are measured.

    Returns:
      A line for the report's provenance if the set is such a one and allowed; else nothing.

    Raises:
      DataError: it is such a set and not allowed.
    """
    found = traces(source, limit=limit)
    if not found.reencoded:
        return {}
    if found.coded:
        why = f"{found.coded} of {found.pictures} are JPEG files"
    else:
        why = f"{found.share:.0%} of the frequencies of their 8 x 8 blocks are rounded to steps, as JPEG leaves them"
    if allowed:
        return {"Pictures re-encoded": f"through JPEG ({why}); PSNR is 0.4 to 1.5 dB too high (eval.allow_reencoded)"}
    raise DataError(
        f"eval.data: the pictures are small and went through JPEG: {why}. Fidelity measured on JPEG copies of small "
        "pictures is 0.4 to 1.5 dB PSNR too high and stands beside no published figure. Take the lossless set "
        "(CIFAR-10 as its raw values, in an .npz file: --config.eval.data.source=array), or measure all the same "
        "with --config.eval.allow_reencoded=True, which the report then says"
    )


def _share(pictures: list[np.ndarray]) -> float:
    """The share of the frequencies that are rounded to steps; 0 where too few can be judged."""
    blocks = np.concatenate([_blocks(images.to_uint8(picture)) for picture in pictures])
    coefficients = np.abs(_cosines(np.unique(blocks, axis=0)))
    found = [r for frequency in coefficients.T if (r := _periodicity(frequency)) is not None]
    return float(np.mean(np.array(found) > PERIODIC)) if len(found) >= FREQUENCIES else 0.0


def _blocks(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "m 192"]:
    """The whole 8 x 8 blocks of a picture, colours last."""
    rows, columns = (side // 8 for side in pixels.shape[:2])
    whole = pixels[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8, 3)
    return whole.swapaxes(1, 2).reshape(-1, 192)


def _cosines(blocks: UInt8[np.ndarray, "m 192"]) -> Float[np.ndarray, "m 63"]:
    """The orthonormal cosine coefficients of the blocks' brightness, without the mean."""
    brightness = blocks.reshape(-1, 8, 8, 3) @ np.array(GREY_OF_RGB)
    k = np.arange(8)
    basis = np.sqrt(np.where(k == 0, 1, 2) / 8)[:, None] * np.cos((2 * k + 1) * k[:, None] * np.pi / 16)
    return (basis @ brightness @ basis.T).reshape(-1, 64)[:, 1:]


def _periodicity(sizes: Float[np.ndarray, "m"]) -> float | None:
    """The largest mean of cos(2 pi |c| / q) over the steps q; None where there are too few coefficients."""
    found = []
    for step in STEPS:
        beyond = sizes[sizes > step / 2]
        if len(beyond) < COEFFICIENTS:
            break
        found.append(float(np.cos(2 * np.pi / step * beyond).mean()))
    return max(found) if found else None
