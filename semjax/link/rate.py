"""The only accountant: channel uses and bits become rates here and nowhere else.

    cbr = channel uses / (3 h w)      bpp = bits / (h w)

with the true height and width of the picture, before any padding. Uses come by kind from whoever spent them:

    "analog"             analog symbols                                     -> cbr_analog
    "digital/<stream>"   coded content (indices, a compressed picture)      -> cbr_digital
    "side/<stream>"      coded side information (rate map, mask, prompt)    -> cbr_side
    "pilots"             channel estimation                                 -> cbr_side
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import ArrayLike, Float, Shaped

PerPicture = Float[np.ndarray, "b"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rates:
    """Channel uses per source dimension (3 h w), per picture, by where they went; `cbr_total` is their sum."""

    cbr_analog: PerPicture
    cbr_digital: PerPicture
    cbr_side: PerPicture
    cbr_total: PerPicture


def _kind(key: str) -> str:
    if key in ("analog", "pilots"):
        return {"analog": "cbr_analog", "pilots": "cbr_side"}[key]
    prefix, _, stream = key.partition("/")
    if prefix in ("digital", "side") and stream:
        return f"cbr_{prefix}"
    raise ValueError(
        f"uses[{key!r}] cannot be accounted for; keys are: analog, pilots, digital/<stream>, side/<stream>"
    )


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise ValueError(f"a picture of height {height} and width {width} has no rate; give its true size")


def rates(uses: Mapping[str, ArrayLike], *, height: int, width: int) -> Rates:
    """Accounts for all channel uses of a batch.

    Args:
      uses: channel uses per picture, [b], by kind.
      height: true height of the pictures.
      width: true width of the pictures.

    Returns:
      Rates per picture; a kind that was not spent is zero.

    Raises:
      ValueError: for an unknown kind, counts that are negative, not finite or of different batch sizes, or no counts.
    """
    _check_size(height, width)
    counts = {key: np.asarray(count, dtype=np.float64) for key, count in uses.items()}
    shapes = {key: count.shape for key, count in counts.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise ValueError(f"uses must hold one count per picture for at least one kind, got shapes {shapes}")
    sums = {f"cbr_{kind}": np.zeros(next(iter(shapes.values()))) for kind in ("analog", "digital", "side")}
    for key, count in counts.items():
        if not np.all(count >= 0) or not np.all(np.isfinite(count)):
            raise ValueError(f"uses[{key!r}] has counts that are negative or not finite: {count}")
        sums[_kind(key)] += count / (height * width * 3)
    return Rates(**sums, cbr_total=sum(sums.values(), start=np.zeros_like(sums["cbr_side"])))


def bpp(bits: Shaped[ArrayLike, "b"], *, height: int, width: int) -> PerPicture:
    """Returns bits per pixel.

    Args:
      bits: number of bits per picture, [b].
      height: true height of the pictures.
      width: true width of the pictures.

    Returns:
      `bits / (h w)` per picture.
    """
    _check_size(height, width)
    return np.asarray(bits, dtype=np.float64) / (height * width)
