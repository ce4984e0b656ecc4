"""The sweep: rows against a calculation by hand, and no influence of padding, batch size or order."""

import itertools
import logging
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import AWGN, Fading, PilotCSI
from semjax.evaluators import results
from semjax.evaluators.bootstrap import paired_difference
from semjax.evaluators.sweep import Origin, Sweep, csi_name
from semjax.types import Image, Public, Received, Signal

ORIGIN = Origin(system="toy", checkpoint="step 3", commit="c0ffee", config_hash="ab", dataset="noise", split="test")


class Plain:
    """Sends the values of a picture two by two, unprotected."""

    side_codecs: dict[str, Any] = {}  # noqa: RUF012
    payload_streams: tuple[str, ...] = ()

    def predict_fns(self) -> dict[str, Any]:
        def transmit(variables: Any, frozen: Any, image: Image, public: Public, given: Any) -> Signal:
            pairs = (image.reshape(image.shape[0], -1, 2) - 0.5) * variables["gain"]
            symbols = jax.lax.complex(pairs[..., 0], pairs[..., 1])
            return Signal(symbols=symbols, used=jnp.ones(symbols.shape))

        def receive(variables: Any, frozen: Any, received: Received, public: Public) -> Image:
            pairs = jnp.stack([received.symbols.real, received.symbols.imag], axis=-1) / variables["gain"]
            return pairs.reshape(pairs.shape[0], public.height, public.width, 3) + 0.5

        return {"transmit": transmit, "receive": receive}


VARIABLES = {"gain": jnp.float32(2.0)}
PICTURES = np.stack([np.random.default_rng(i).uniform(0.1, 0.9, (12, 12, 3)) for i in range(5)]).astype(np.float32)


def batches(size: int, *, filler: float = 0.0) -> Iterator[dict[str, np.ndarray]]:
    for start in range(0, len(PICTURES), size):
        ids = np.arange(start, start + size)
        mask = ids < len(PICTURES)
        image = np.where(mask[:, None, None, None], PICTURES[np.minimum(ids, len(PICTURES) - 1)], filler)
        yield {"image": image.astype(np.float32), "id": ids.astype(np.int32), "_mask": mask}


def sweep(**changes: Any) -> Sweep:
    plain = {"trainable": Plain(), "channels": {"rayleigh": Fading()}, "snr_db": (0.0, 10.0), "draws": 2}
    wanted = {"metrics": ("psnr", "psnr_of_mean_mse"), "batches": lambda: batches(2), "origin": ORIGIN}
    return Sweep(**{**plain, **wanted, **changes})


def rows_of(made: Sweep) -> list[results.Row]:
    return list(made.run(VARIABLES, {}))


def numbers(rows: list[results.Row]) -> np.ndarray:
    return np.array([[row[name] for name in results.NUMBERS] for row in rows])


def test_rows_have_exactly_the_fields_and_say_where_they_come_from(tmp_path: pathlib.Path) -> None:
    metrics = ("psnr", "ssim", "psnr_of_mean_mse")
    rows = rows_of(sweep(channels={"awgn": AWGN(), "rayleigh": Fading()}, metrics=metrics))
    assert [(r["snr_db"], r["channel"], r["metric"]) for r in rows] == list(
        itertools.product((0.0, 10.0), ("awgn", "rayleigh"), metrics)
    )
    results.write(rows, tmp_path)
    first = rows[0]
    assert first["system"] == "toy"
    assert (first["n_images"], first["n_draws"], first["seed"]) == (5, 2, 0)
    assert (first["csi"], rows[3]["csi"], first["side_link"]) == ("none", "perfect", "none")
    assert first["cbr_analog"] == first["cbr_total"] == pytest.approx(0.5)
    assert (first["cbr_digital"], first["cbr_side"]) == (0.0, 0.0)


def test_psnr_is_the_one_calculated_by_hand() -> None:
    made = sweep(channels={"awgn": AWGN()}, snr_db=(25.0,), draws=50, metrics=("mse", "psnr_of_mean_mse"))
    mse, psnr = rows_of(made)
    # Noise of variance 10^-2.5 per use, half per value, divided by the gain squared; rounding to 8 bits adds 1/12 step.
    noise = 10**-2.5 / 2 / 4 + (1 / 255) ** 2 / 12
    assert mse["mean"] == pytest.approx(noise, rel=0.06)
    assert psnr["mean"] == pytest.approx(-10 * np.log10(noise), abs=0.25)


def test_psnr_of_the_mean_mse_is_its_own_metric_with_its_ends_in_order() -> None:
    rows = rows_of(sweep(draws=1, metrics=("psnr", "mse", "psnr_of_mean_mse")))
    for psnr, mse, of_mean in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        assert of_mean["mean"] == pytest.approx(-10 * np.log10(mse["mean"]), abs=1e-4)
        assert of_mean["mean"] < psnr["mean"]
        assert of_mean["ci_low"] < of_mean["mean"] < of_mean["ci_high"]


def test_padding_never_changes_a_result() -> None:
    black, white = (rows_of(sweep(batches=lambda f=f: batches(2, filler=f))) for f in (0.0, 1.0))
    np.testing.assert_array_equal(numbers(black), numbers(white))
    assert black == white


@pytest.mark.parametrize("size", [1, 3])
def test_batch_size_does_not_change_a_result(size: int) -> None:
    expected, found = rows_of(sweep()), rows_of(sweep(batches=lambda: batches(size)))
    np.testing.assert_allclose(numbers(found), numbers(expected), atol=1e-4)


def test_same_seed_same_rows_and_another_seed_others() -> None:
    assert rows_of(sweep()) == rows_of(sweep())
    assert rows_of(sweep(seed=1))[0]["mean"] != rows_of(sweep())[0]["mean"]


def test_ms_ssim_of_small_pictures_is_left_out_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        rows = rows_of(sweep(metrics=("psnr", "ms_ssim")))
    assert {row["metric"] for row in rows} == {"psnr"}
    assert [r.getMessage() for r in caplog.records] == [
        "ms_ssim is left out for pictures of 12x12: it needs at least 176 pixels a side"
    ]


def test_values_per_picture_allow_a_paired_comparison(tmp_path: pathlib.Path) -> None:
    rows_of(sweep(channels={"awgn": AWGN()}, per_picture=tmp_path / "p.npz"))
    stored = results.read_pictures(tmp_path / "p.npz")
    names = [results.picture_name(channel="awgn", snr_db=s, rate=1.0, metric="psnr") for s in (10.0, 0.0)]
    found = paired_difference(*(stored[name] for name in names))
    assert 4.0 < found.low <= found.mean <= found.high < 11.0
    assert stored[names[0]].values.shape == (5,)


def test_progress_counts_every_picture_once_per_point() -> None:
    seen = []
    rows_of(sweep(progress=seen.append))
    assert sum(done.pictures for done in seen) == 5 * 2


def test_two_pictures_of_one_id_are_refused() -> None:
    def twice() -> Iterator[dict[str, np.ndarray]]:
        return ({**batch, "id": np.zeros_like(batch["id"])} for batch in batches(5))

    with pytest.raises(ValueError, match="share an id"):
        rows_of(sweep(batches=twice))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ("lpips",)}, r"unknown metrics \['lpips'\]"),
        ({"draws": 0}, "at least one channel"),
        ({"channels": {}}, "at least one channel"),
        ({"batches": lambda: iter(())}, "no pictures"),
    ],
)
def test_a_sweep_of_nothing_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows_of(sweep(**change))


def test_what_the_receiver_knows_of_the_channel_is_named() -> None:
    names = [csi_name(channel) for channel in (AWGN(), Fading(), Fading(csi=PilotCSI(pilots=4)))]
    assert names == ["none", "perfect", "4 pilots"]
