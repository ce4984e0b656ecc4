"""Loaders: order, resume, sharing among processes, masks, and crops."""

import itertools
import logging

import numpy as np
import pytest

from semjax.data.files import ArchiveSource, Record, Source
from semjax.data.images import ImageError
from semjax.data.loader import eval_batches, train_loader
from semjax.data.transforms import CenterCrop, RandomCrop, reflect_to

KEYS = {"image", "id", "_mask"}


class Pictures:
    """Pictures whose every pixel says where it is from: (id, row, column)."""

    def __init__(self, shapes):
        self.shapes = shapes

    def __len__(self):
        return len(self.shapes)

    def __getitem__(self, index: int) -> Record:
        height, width = self.shapes[index]
        row, column = np.mgrid[:height, :width]
        image = np.stack([np.full((height, width), index), row, column], -1).astype(np.float32) / 100
        return {"image": image, "id": index}


SOURCE = Pictures([(9, 12)] * 7 + [(12, 9)] * 3)
OPTIONS = {"batch_size": 4, "crop": 8, "seed": 11}


def take(count, *, state=None, source: Source = SOURCE, **options):
    with train_loader(source, **{**OPTIONS, **options}) as loader:
        if state is not None:
            loader.set_state(state)
        return list(itertools.islice(loader, count)), loader.get_state()


def equal(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert set(a) == set(b) == KEYS
        for key in KEYS:
            np.testing.assert_array_equal(a[key], b[key])


def test_batches_have_the_promised_form():
    for batch in take(6)[0]:
        assert set(batch) == KEYS
        assert batch["image"].shape == (4, 8, 8, 3)
        assert batch["image"].dtype == np.float32
        assert batch["id"].dtype == np.int32
        assert batch["_mask"].dtype == bool
        assert batch["_mask"].all()
        # The pixels are those of the picture that the id names.
        np.testing.assert_allclose(batch["image"][..., 0], np.broadcast_to(batch["id"][:, None, None] / 100, (4, 8, 8)))


def test_every_picture_once_per_epoch_in_another_order():
    ids = np.concatenate([batch["id"] for batch in take(15)[0]])
    epochs = ids.reshape(6, 10)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert not np.array_equal(ids[:10], np.concatenate([b["id"] for b in take(3, seed=12)[0]])[:10])


def test_crops_are_random_and_inside():
    batches = take(60)[0]
    image = np.concatenate([b["image"] for b in batches])
    rows, columns = np.rint(image[..., 1] * 100).astype(int), np.rint(image[..., 2] * 100).astype(int)
    assert (np.diff(rows, axis=1) == 1).all(), "rows keep their order"
    steps = np.diff(columns, axis=2)
    mirrored = steps[:, 0, 0] == -1
    assert (np.abs(steps) == 1).all()
    assert 0.35 < mirrored.mean() < 0.65
    wide = np.concatenate([b["id"] for b in batches]) < 7
    assert set(columns[wide].min((1, 2))) == {0, 1, 2, 3, 4}
    assert set(rows[wide].min((1, 2))) == {0, 1}
    assert set(rows[~wide].min((1, 2))) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("done", [0, 1, 5, 8])
def test_resume_is_bitwise_the_straight_run(done):
    straight, end = take(12)
    first, state = take(done)
    rest, resumed_end = take(12 - done, state=state)
    equal(straight, first + rest)
    assert resumed_end == end
    assert state["next_batch"] == done


def test_resume_goes_back_within_one_loader():
    with train_loader(SOURCE, **OPTIONS) as loader:
        next(loader)
        state = loader.get_state()
        first = [next(loader) for _ in range(4)]
        loader.set_state(state)
        equal(first, [next(loader) for _ in range(4)])


def test_order_does_not_depend_on_threads_or_prefetch():
    equal(take(8, threads=1, prefetch=1)[0], take(8, threads=6, prefetch=8)[0])


def test_processes_side_by_side_are_one_process():
    whole = take(7)[0]
    for count in (2, 4):
        parts = [take(7, process_index=p, process_count=count)[0] for p in range(count)]
        joined = [{key: np.concatenate([b[key] for b in step]) for key in KEYS} for step in zip(*parts, strict=True)]
        equal(whole, joined)


def test_state_is_the_same_on_any_number_of_processes():
    straight = take(9)[0]
    _, state = take(5, process_index=1, process_count=2)
    equal(straight[5:], take(4, state=state)[0])


def test_a_state_of_another_pipeline_is_refused():
    _, state = take(2)
    with pytest.raises(ValueError, match=r"crop was 8 and is 7; resume with the settings"):
        take(1, state=state, crop=7)
    with pytest.raises(ValueError, match="seed was 11 and is 12"):
        take(1, state=state, seed=12)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"batch_size=4.*process_count=3"):
        train_loader(SOURCE, **OPTIONS, process_count=3)
    with pytest.raises(ValueError, match="process_index=2"):
        train_loader(SOURCE, **OPTIONS, process_index=2, process_count=2)
    with pytest.raises(ValueError, match="no picture"):
        train_loader(Pictures([]), **OPTIONS)
    with pytest.raises(ValueError, match="at least 1 pixel"):
        RandomCrop(0)


def test_a_bad_record_stops_training_by_name():
    class Bad(Pictures):
        def __getitem__(self, index: int) -> Record:
            if index == 3:
                raise ImageError("pictures/3.png: the record is empty")
            return super().__getitem__(index)

    with pytest.raises(ImageError, match=r"pictures/3\.png"):
        take(10, source=Bad(SOURCE.shapes))


def test_small_pictures_are_padded_and_counted(caplog):
    small = Pictures([(5, 12), (9, 9), (1, 3)])
    with caplog.at_level(logging.WARNING), train_loader(small, batch_size=3, crop=8, seed=0) as loader:
        for _ in range(4):
            assert next(loader)["image"].shape == (3, 8, 8, 3)
        assert loader.padded == 2
    assert len([r for r in caplog.records if "padded by reflection" in r.getMessage()]) == 1


def test_reflection():
    image = Pictures([(3, 9)])[0]["image"]
    tall = reflect_to(image, 8)
    assert tall.shape == (8, 9, 3)
    assert np.rint(tall[:, 0, 1] * 100).astype(int).tolist() == [2, 1, 0, 1, 2, 1, 0, 1]
    assert reflect_to(image, 3) is image


def test_center_crop():
    cropped = CenterCrop(4).map(Pictures([(7, 10)])[0])["image"]
    assert np.rint(cropped[:, 0, 1] * 100).tolist() == [1, 2, 3, 4]
    assert np.rint(cropped[0, :, 2] * 100).tolist() == [3, 4, 5, 6]


def test_evaluation_sees_each_picture_once_in_order():
    mixed = Pictures([(9, 12), (12, 9), (9, 12), (9, 12), (12, 9), (9, 12), (9, 12)])
    batches = list(eval_batches(mixed, batch_size=2))
    assert [b["id"].tolist() for b in batches] == [[0, 2], [1, 4], [3, 5], [6, 6]]
    assert [b["_mask"].tolist() for b in batches] == [[True, True]] * 3 + [[True, False]]
    for batch in batches:
        for image, index in zip(batch["image"], batch["id"], strict=True):
            np.testing.assert_array_equal(image, mixed[index]["image"])


@pytest.mark.parametrize("batch_size", [1, 3, 4, 16])
def test_evaluation_with_crop_and_limit(batch_size):
    batches = list(eval_batches(SOURCE, batch_size=batch_size, crop=8, limit=8))
    assert all(b["image"].shape == (batch_size, 8, 8, 3) for b in batches)
    assert np.concatenate([b["id"][b["_mask"]] for b in batches]).tolist() == list(range(8))
    assert len(batches) == -(-8 // batch_size)


def test_evaluation_refuses_an_empty_batch():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        next(eval_batches(SOURCE, batch_size=0))


def test_kodak_is_grouped_by_shape(data_dir):
    batches = list(eval_batches(ArchiveSource(data_dir / "kodak24"), batch_size=4))
    assert {b["image"].shape[1:] for b in batches} == {(512, 768, 3), (768, 512, 3)}
    assert sorted(np.concatenate([b["id"][b["_mask"]] for b in batches])) == list(range(24))


def test_real_pictures_train(data_dir):
    source = ArchiveSource(data_dir / "bsds500", split="train")
    straight, _ = take(3, source=source, crop=64)
    first, state = take(1, source=source, crop=64)
    equal(straight, first + take(2, source=source, crop=64, state=state)[0])
