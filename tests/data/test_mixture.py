"""Mixtures: every picture once as a source, exact weights in every prefix of the training order, exact resumption."""

import collections
import itertools
import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from semjax.data.files import DataError, Record
from semjax.data.loader import eval_batches, train_loader
from semjax.data.mixture import MixtureSource, Part, schedule, whole
from semjax.data.sources import CachedSource


class Grey:
    """`count` pictures of one grey each; ids have room for `total`."""

    def __init__(self, count: int, *, level: float = 0.0, total: int | None = None):
        self.count, self.level, self.total = count, level, count if total is None else total

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        place = range(self.count)[index]
        return {"image": np.full((9, 9, 3), np.float32((self.level + place) / 255)), "id": place}


def mixture(*weights: float) -> MixtureSource:
    parts = (Grey(6, total=10), Grey(3, level=100), Grey(5, level=200))
    return MixtureSource([Part(source=p, weight=w) for p, w in zip(parts, weights, strict=True)])


def test_as_a_source_it_is_its_parts_whatever_the_weights() -> None:
    first, second = mixture(1, 1, 1), mixture(8, 1, 3)
    assert len(first) == 14
    for mixed in (first, second, pickle.loads(pickle.dumps(second))):
        # 10 ids for the first part, of which this split uses 6; then 3; then 5.
        assert [mixed[i]["id"] for i in range(14)] == [*range(6), *range(10, 13), *range(13, 18)]
        assert [mixed.place(i) for i in range(14)] == [mixed[i]["id"] for i in range(14)]
        levels = np.array([mixed[i]["image"][0, 0, 0] * 255 for i in range(14)]).round().astype(int).tolist()
        assert levels == [*range(6), *range(100, 103), *range(200, 205)]
        assert mixed[-1]["id"] == 17
        with pytest.raises(IndexError):
            mixed[14]
    assert [b["id"].tolist() for b in eval_batches(second, batch_size=14)] == [[*range(6), *range(10, 18)]]


@pytest.mark.parametrize("turns", [(1,), (1, 1), (2, 1), (7, 2, 1), (5, 5, 5, 1), (97, 31, 8, 3, 1, 1), (1, 99)])
def test_every_prefix_has_the_weights_to_within_one(turns: tuple[int, ...]) -> None:
    part, turn = schedule(turns)
    period = sum(turns)
    assert [int((part == i).sum()) for i in range(len(turns))] == list(turns)
    for i, a in enumerate(turns):
        assert turn[part == i].tolist() == list(range(a))
        had = np.cumsum(part == i)
        assert max(abs(Fraction(int(h)) - Fraction((n + 1) * a, period)) for n, h in enumerate(had)) < 1


def test_any_weights_keep_the_bound() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        turns = tuple(int(a) for a in rng.integers(1, 40, rng.integers(2, 7)))
        part, _ = schedule(turns)
        for i, a in enumerate(turns):
            lag = np.cumsum(part == i) - np.arange(1, sum(turns) + 1) * a / sum(turns)
            assert np.abs(lag).max() < 1


def test_within_a_part_every_picture_comes_equally_often() -> None:
    order = mixture(3, 1, 1).order(4)
    drawn = [order[q] for q in range(500)]
    counts = collections.Counter(drawn)
    assert sum(counts[i] for i in range(6)) == 300
    for part in (range(6), range(6, 9), range(9, 14)):
        assert max(counts[i] for i in part) - min(counts[i] for i in part) <= 1
        turns = [i for i in drawn if i in part]
        rounds = [tuple(turns[k : k + len(part)]) for k in range(0, len(turns) - len(part), len(part))]
        assert all(sorted(r) == list(part) for r in rounds)
        assert len(set(rounds)) > 1
    assert [order[q] for q in reversed(range(500))] == drawn[::-1]
    assert [mixture(3, 1, 1).order(5)[q] for q in range(50)] != drawn[:50]


def take(count: int, source: Any, state: dict[str, Any] | None = None, **options: Any) -> Any:
    with train_loader(source, **{"batch_size": 4, "crop": 8, "seed": 3, **options}) as loader:
        if state:
            loader.set_state(state)
        return list(itertools.islice(loader, count)), loader.get_state()


def test_training_follows_the_weights_and_resumes_bitwise() -> None:
    straight, end = take(25, mixture(3, 1, 1))
    part = np.searchsorted([0, 10, 13], np.concatenate([batch["id"] for batch in straight]), side="right") - 1
    assert np.bincount(part).tolist() == [60, 20, 20]
    first, state = take(11, mixture(3, 1, 1))
    rest, again = take(14, CachedSource(mixture(3, 1, 1)), state=state)
    assert again == end
    for a, b in zip(straight, first + rest, strict=True):
        assert all(a[key].tobytes() == b[key].tobytes() for key in a)
    shares = [take(11, mixture(3, 1, 1), process_index=p, process_count=2)[0] for p in range(2)]
    for a, b, c in zip(straight, *shares, strict=False):
        np.testing.assert_array_equal(a["image"], np.concatenate([b["image"], c["image"]]))
    with pytest.raises(ValueError, match="mixture was 3 x 6, 1 x 3, 1 x 5 and is 2 x 6, 1 x 3, 1 x 5"):
        take(1, mixture(2, 1, 1), state=state)
    with pytest.raises(ValueError, match="mixture was 3 x 6, 1 x 3, 1 x 5 and is None"):
        take(1, Grey(14), state=state)


def test_weights_become_whole_numbers() -> None:
    assert whole([1.0]) == (1,)
    assert whole([0.3, 0.1, 1 / 3]) == (9, 3, 10)
    assert whole([2, 4, 6]) == (1, 2, 3)
    assert whole([0.001, 1]) == (1, 1000)
    for i, wrong in enumerate((0.0, -1.0, math.nan, math.inf)):
        with pytest.raises(DataError, match=rf"parts\[1\]\.weight is {wrong}; it must be finite and above zero"):
            whole([1.0, wrong, float(i + 1)])
    with pytest.raises(DataError, match="have no simple ratio"):
        whole([1.0, math.pi, math.e, math.sqrt(2)])


def test_what_is_no_mixture_is_refused() -> None:
    with pytest.raises(DataError, match="at least one part"):
        MixtureSource([])
    with pytest.raises(DataError, match=r"parts\[1\] of the mixture holds no picture"):
        MixtureSource([Part(source=Grey(2)), Part(source=Grey(0))])


def test_mixtures_within_mixtures() -> None:
    inner = mixture(1, 1, 1)
    outer = MixtureSource([Part(source=Grey(2)), Part(source=inner, weight=2)])
    assert [outer[i]["id"] for i in range(16)] == [0, 1, *[2 + inner[i]["id"] for i in range(14)]]
    batch = take(3, outer)[0][2]
    assert set(batch["id"].tolist()) & set(range(2, 20))
