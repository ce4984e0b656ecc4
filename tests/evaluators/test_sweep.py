"""The sweep: rows against a calculation by hand, and no influence of padding, batch size or order."""

import dataclasses
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
from semjax.evaluators.tally import Heard
from semjax.link.side import FixedWidth
from semjax.link.transport import Delivery
from semjax.phy import capacity
from semjax.types import Bits, Image, Public, Received, Signal

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


def test_values_per_picture_allow_a_paired_comparison() -> None:
    found = sweep(channels={"awgn": AWGN()}).measure(VARIABLES, {})
    assert found.rows == rows_of(sweep(channels={"awgn": AWGN()}))
    names = [
        results.picture_name(channel="awgn", snr_db=s, told_snr_db=s, rate=1.0, metric="psnr") for s in (10.0, 0.0)
    ]
    difference = paired_difference(*(found.pictures[name] for name in names))
    assert 4.0 < difference.low <= difference.mean <= difference.high < 11.0
    assert found.pictures[names[0]].values.shape == (5,)


def test_progress_counts_every_picture_once_per_point() -> None:
    seen: list[int] = []
    made = sweep(progress=seen.append, rates=(0.5, 1.0), mismatch=(10.0, 20.0))
    rows_of(made)
    assert made.points_per_picture == 2 * 2 + 1 + 2
    assert sum(seen) == 5 * made.points_per_picture


class Outspoken(Plain):
    """Sends 3 bits beside; its pictures show what the receiver was told, measured and got of the rate."""

    side_codecs: dict[str, Any] = {"level": FixedWidth(bits=3)}  # noqa: RUF012

    def predict_fns(self) -> dict[str, Any]:
        plain = super().predict_fns()["transmit"]

        def transmit(variables: Any, frozen: Any, image: Image, public: Public, given: Any) -> Signal:
            signal = plain(variables, frozen, image, public, given)
            used = (jnp.arange(signal.used.shape[1]) < public.rate[:, None] * signal.used.shape[1]).astype(jnp.float32)
            level = jnp.zeros(image.shape[0], jnp.int32)
            return dataclasses.replace(signal, symbols=signal.symbols * used, used=used, ints={"level": level})

        def receive(variables: Any, frozen: Any, received: Received, public: Public) -> Image:
            told = [public.snr_db / 100, received.noise_var[:, 0], public.rate]
            flat = jnp.stack(told, axis=-1)[:, None, None]
            return jnp.broadcast_to(flat, (flat.shape[0], public.height, public.width, 3))

        return {"transmit": transmit, "receive": receive}


def test_under_mismatch_the_ends_hear_one_snr_and_the_channel_has_another() -> None:
    heard: list[Heard] = []
    made = sweep(
        trainable=Outspoken(), channels={"awgn": AWGN()}, mismatch=(10.0,), rates=(0.5, 1.0), watch=heard.append
    )
    rows = [row for row in rows_of(made) if row["metric"] == "psnr"]
    points = [(row["rate"], row["told_snr_db"], row["snr_db"]) for row in rows]
    assert points == [(0.5, 0.0, 0.0), (0.5, 10.0, 10.0), (1.0, 0.0, 0.0), (1.0, 10.0, 10.0), (1.0, 10.0, 0.0)]
    for one in heard:
        told, noise, token = np.asarray(one.image)[0, 0, 0]
        assert told == pytest.approx(one.told_snr_db / 100)
        assert noise == pytest.approx(10 ** (-one.snr_db / 10), rel=1e-5)
        assert token == one.rate
    side = {point: row["cbr_side"] for point, row in zip(points, rows, strict=True)}
    assert side[1.0, 10.0, 0.0] == side[1.0, 0.0, 0.0] == pytest.approx(3 / capacity.shannon(0.0) / (12 * 12 * 3))
    assert side[1.0, 10.0, 10.0] < side[1.0, 10.0, 0.0]
    analog = {point: row["cbr_analog"] for point, row in zip(points, rows, strict=True)}
    assert analog[0.5, 0.0, 0.0] == pytest.approx(analog[1.0, 0.0, 0.0] / 2)


class Doubled(Outspoken):
    """Sends 3 bits of side information and 5 of content."""

    side_codecs: dict[str, Any] = {"level": FixedWidth(bits=3), "words": FixedWidth(bits=5)}  # noqa: RUF012
    payload_streams: tuple[str, ...] = ("words",)

    def predict_fns(self) -> dict[str, Any]:
        ends = super().predict_fns()

        def transmit(*arguments: Any) -> Signal:
            signal = ends["transmit"](*arguments)
            return dataclasses.replace(signal, ints={**signal.ints, "words": signal.ints["level"]})

        return {**ends, "transmit": transmit}


@dataclasses.dataclass(frozen=True)
class Losing:
    """A link that loses one message of each batch: the first of 3 bits, the second of 5."""

    kind: str = "coded"
    terms: str = ""

    def send(self, bits: Bits, **told: Any) -> Delivery:
        lost = {3: 0, 5: 1}[bits.bits.shape[1]]
        ok = np.arange(len(bits.bits)) != lost
        return Delivery(bits=bits, ok=ok, uses=np.zeros(len(ok)))


@pytest.mark.parametrize(("system", "lost"), [(Outspoken(), {0, 3}), (Doubled(), {0, 1, 3, 4})])
def test_a_picture_is_an_outage_if_content_or_side_information_was_lost(system: Plain, lost: set[int]) -> None:
    asked = {"channels": {"awgn": AWGN()}, "snr_db": (0.0,), "draws": 1, "metrics": ("outage",)}
    made = sweep(trainable=system, batches=lambda: batches(3), links=lambda channel: Losing(), **asked)
    found = made.measure(VARIABLES, {})
    (pictures,) = found.pictures.values()
    assert {*pictures.ids[pictures.values == 1.0].tolist()} == lost
    assert found.rows[0]["mean"] == len(lost) / 5


def test_without_anything_digital_there_is_no_outage() -> None:
    assert rows_of(sweep(metrics=("outage",))) == []


def test_a_picture_is_transmitted_once_per_rate_and_told_snr() -> None:
    made = sweep(channels={"awgn": AWGN(), "rayleigh": Fading()}, rates=(0.5, 1.0), mismatch=(10.0,), draws=3)
    calls: list[Public] = []

    def transmit(*arguments: Any) -> Signal:
        calls.append(arguments[3])
        return chained(*arguments)

    chained = made.chain.transmit
    made.__dict__["chain"] = dataclasses.replace(made.chain, transmit=transmit)
    rows = rows_of(made)
    assert len(calls) == 3 * 4
    assert len({(r["rate"], r["told_snr_db"], r["snr_db"], r["channel"], r["metric"]) for r in rows}) == len(rows)


def test_peaks_of_the_signal_are_rows_of_their_own() -> None:
    rows = rows_of(sweep(metrics=("psnr", "papr_db", "power_p999_db"), draws=1))
    peaks = {row["snr_db"]: row["mean"] for row in rows if row["metric"] == "papr_db"}
    power = np.sum(np.square((PICTURES - 0.5).reshape(5, -1, 2)), axis=-1)
    expected = np.mean(10 * np.log10(power.max(axis=1) / power.mean(axis=1)))
    assert peaks == {0.0: pytest.approx(expected, abs=1e-4), 10.0: pytest.approx(expected, abs=1e-4)}


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
