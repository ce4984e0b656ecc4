"""The picture grid: the few points it shows, what it keeps of a sweep, and how large pictures are cut."""

import pathlib
import re

import jax.numpy as jnp
import numpy as np
import pytest

from semjax.evaluators import gallery
from semjax.evaluators.tally import Heard
from semjax.link.rate import rates

PICTURES = np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)).astype(np.float32)


def heard(**changes: object) -> Heard:
    batch = {"image": PICTURES, "id": np.array([4, 5, 5]), "_mask": np.array([True, True, False])}
    plain = {"channel": "awgn", "snr_db": 10.0, "told_snr_db": 10.0, "rate": 1.0, "draw": 0, "batch": batch}
    spent = rates({"analog": np.full(3, 16.0)}, height=8, width=8)
    return Heard(**{**plain, "image": jnp.asarray(PICTURES + 0.1), "scores": {}, "spent": spent, **changes})  # type: ignore[arg-type]


def test_snrs_at_the_highest_rate_and_rates_at_a_middle_snr() -> None:
    points = gallery.shown_points(rates=(0.25, 0.5, 0.75, 1.0), snr_db=(1.0, 4.0, 7.0, 10.0, 13.0))
    assert points == ((0.25, 7.0), (0.75, 7.0), (1.0, 1.0), (1.0, 7.0), (1.0, 13.0))
    assert gallery.shown_points(rates=(1.0,), snr_db=(5.0,)) == ((1.0, 5.0),)


def test_what_is_kept_is_the_first_draw_of_the_shown_channel_for_every_system() -> None:
    kept = gallery.Gallery(channel="awgn", points=((1.0, 10.0),), pictures=1)
    first, second = kept.watch("ours"), kept.watch("linear")
    left_out = [
        {"draw": 1},
        {"channel": "rayleigh"},
        {"snr_db": 4.0},
        {"snr_db": 4.0, "told_snr_db": 4.0},
        {"rate": 0.5},
    ]
    for change in left_out:
        first(heard(**change, image=jnp.zeros_like(PICTURES)))
    first(heard())
    second(heard(image=jnp.asarray(PICTURES)))
    (sample,) = kept.samples()
    assert sample.name == "Picture 4 over awgn"
    (point,) = sample.points
    assert point.label == "cbr 1/12, 10 dB"
    assert list(point.received) == ["ours", "linear"]
    np.testing.assert_allclose(point.received["ours"].image, PICTURES[0] + 0.1)
    error = np.mean(
        np.square(np.round(np.clip(PICTURES[0] + 0.1, 0, 1) * 255) / 255 - np.round(PICTURES[0] * 255) / 255)
    )
    assert point.received["ours"].psnr == pytest.approx(-10 * np.log10(error), abs=0.01)
    assert point.received["linear"].psnr > 60


def test_a_large_picture_is_cut_from_its_middle_but_measured_whole(tmp_path: pathlib.Path) -> None:
    large = np.zeros((1, 300, 40, 3), np.float32)
    large[0, :22] = 1.0
    batch = {"image": large, "id": np.array([0]), "_mask": np.array([True])}
    spent = rates({"analog": np.ones(1)}, height=300, width=40)
    kept = gallery.Gallery(channel="awgn", points=((1.0, 10.0),), pictures=1)
    kept.watch("ours")(heard(batch=batch, image=jnp.zeros((1, 300, 40, 3)), spent=spent))
    (sample,) = kept.samples()
    assert sample.original.shape == (256, 40, 3)
    assert not sample.original.any()
    assert sample.points[0].received["ours"].psnr == pytest.approx(-10 * np.log10(22 / 300), abs=1e-3)
    html = gallery.grid(sample, tmp_path, 0)
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["0_0.png", "0_1.png"]
    assert set(re.findall(r'src="([^"]+)"', html)) == {"pictures/0_0.png", "pictures/0_1.png"}
