"""What is measured of tokens: energies, symbols packed again, means over blocks; a checkpoint with other lengths."""

import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from sa_oosc_pictures_ends import FULL  # noqa: E402
from sa_oosc_reasons import EQUAL, IMPORTANT, _blocks, energies, model, shortened  # noqa: E402

LENGTHS = np.array([8, 0, 4, 12])
SYMBOLS = np.arange(1, 17).astype(np.complex64)  # 12 are used


def test_a_token_keeps_its_first_dimensions() -> None:
    kept = shortened(SYMBOLS, LENGTHS, np.array([4, 0, 4, 6]))
    assert kept.real.tolist() == [1, 2, 5, 6, 7, 8, 9, *[0] * 9]
    assert np.array_equal(shortened(SYMBOLS, LENGTHS, LENGTHS)[:12], SYMBOLS[:12])


def test_energy_is_that_of_the_symbols_of_each_token() -> None:
    assert energies(SYMBOLS, LENGTHS).tolist() == [1 + 4 + 9 + 16, 0, 25 + 36, sum(n * n for n in range(7, 13))]


def test_blocks_at_the_edge_repeat_it() -> None:
    values = np.zeros((1, 20, 16))
    values[0, 19] = 1.0
    assert _blocks(values)[0].ravel() == pytest.approx([0.0, 13 / 16])


def test_lengths_come_from_the_part_that_is_changed() -> None:
    folder = ROOT / "checkpoints" / "sa_oosc_camvid_static_0"
    equal, important = (model(folder, lengths).load() for lengths in (EQUAL, IMPORTANT))
    assert (equal.trainable.variant, important.trainable.variant) == ("uniform_weighted", "oracle")  # type: ignore[attr-defined]
    assert equal.trainable.module.g == 0.0 < important.trainable.module.g  # type: ignore[attr-defined]
    assert equal.trainable.module.cbr == important.trainable.module.cbr == FULL  # type: ignore[attr-defined]
