"""The SA-OOSC benchmark: equal cbr, codecs that remember, rows of seeds and of all together, and what they say."""

import dataclasses
import math
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from sa_oosc_ends import Remembered  # noqa: E402
from sa_oosc_maps import bd_interval, threshold, zeroth_order  # noqa: E402
from sa_oosc_models import SIZE, Condition, Model, models  # noqa: E402
from sa_oosc_parts import CENTRE, kept, notes  # noqa: E402
from sa_oosc_rows import Point, levels, over, pairs  # noqa: E402
from sa_oosc_tokens import TARGET, charged, solved, spent  # noqa: E402

from semjax.bottlenecks.masked import rates_codec  # noqa: E402
from semjax.evaluators import results  # noqa: E402
from semjax.importance.allocate import RateSet  # noqa: E402
from semjax.link.transport import LENGTH_BITS  # noqa: E402
from semjax.types import Bits  # noqa: E402

PICTURES = 24
CODED = dataclasses.replace(CENTRE, link="coded")
FADED = Condition(channel="rayleigh", link="coded", snr_db=1.0)


def model(variant: str, seed: int = 0, folder: pathlib.Path = pathlib.Path("checkpoints")) -> Model:
    made = Model(folder=folder / f"sa_oosc_{variant}_{seed}", variant=variant, seed=seed)
    made.__dict__.update(digest="d", config_hash="c")  # what would be read of the folder
    return made


def values(level: float, *, seed: int = 0, count: int = PICTURES) -> dict[str, np.ndarray]:
    """A piece: every picture of one system lies `level` dB above what it lies at in all."""
    pictures, own = np.random.default_rng(0), np.random.default_rng([7, seed])
    base = pictures.normal(25, 3, count) + level + own.normal(0, 0.02, count)
    high = np.where(np.arange(count) % 6 == 0, np.nan, base)
    shares = {f"asked{end}": np.full(count, 4.0) for end in ("", "_intent", "_control")}
    shares |= {f"answer{end}": np.clip(np.round(2 + level + 0 * base), 0, 4) for end in ("", "_intent", "_control")}
    cbr = {"cbr_analog": 0.9 / 32, "cbr_digital": 0.0, "cbr_side": 0.1 / 32, "cbr_total": 1 / 32}
    quality = {"psnr": base, "psnr_high": high, "psnr_low": base - 1, "iw_psnr": base, "ssim_high": base / 40}
    sent = {name: np.full(count, spent) for name, spent in cbr.items()}
    return {"id": np.arange(count), **quality, **sent, **shares, "outage": np.arange(count) % 2 * 1.0}


def points(variant: str, *steps: float, condition: Condition = CENTRE, split: str = "test") -> list[Point]:
    return [
        Point(
            model=model(variant, seed),
            split=split,
            condition=condition,
            token=0.5 + seed / 10,
            arrays=values(step, seed=seed, count=PICTURES if split == "test" else 2 * PICTURES),
        )
        for seed, step in enumerate(steps)
    ]


def test_checkpoints_are_found_by_name_in_the_order_of_their_rows(tmp_path: pathlib.Path) -> None:
    for name in ("uniform_weighted_0", "no_rank_0", "student_2", "student_0", "static_0", "transform"):
        (tmp_path / f"sa_oosc_{name}").mkdir()
        (tmp_path / f"sa_oosc_{name}" / "config.json").write_text("{}")
    (tmp_path / "sa_oosc_oracle_0").mkdir()
    found = [(one.variant, one.seed) for one in models(tmp_path)]
    assert found == [("student", 0), ("student", 2), ("static", 0), ("uniform_weighted", 0), ("no_rank", 0)]
    assert [one.name for one in models(tmp_path, only=["student"], seeds=[2])] == ["sa_oosc_student_2"]
    for where in ({"only": ["oracle"]}, {"seeds": [5]}):
        with pytest.raises(
            ValueError, match=r"no checkpoint (of variant oracle|chosen).*there are variants no_rank, st"
        ):
            models(tmp_path, **where)


def test_a_token_meets_the_target() -> None:
    def curve(token: float) -> float:
        return 0.05 * token / (0.4 + token) + 0.002

    found = solved(curve)
    assert curve(found) == pytest.approx(TARGET, rel=5e-4)
    assert solved(lambda token: 0.001 * token, 1 / 32) == pytest.approx(31.25, rel=1e-3)
    tried: list[float] = []
    solved(lambda token: tried.append(token) or curve(token))
    assert len(set(tried)) < 12


def test_a_token_comes_as_near_as_steps_allow_and_the_largest_is_taken() -> None:
    def steps(token: float) -> float:
        return 0.005 * math.floor(10 * token) + 0.00124

    assert steps(solved(steps, 1 / 32)) in (pytest.approx(0.03124), pytest.approx(0.03624))

    def bump(token: float) -> float:
        return 0.04 if 0.01 < token < 0.02 else 0.06 * token

    assert bump(solved(bump, 1 / 32)) == pytest.approx(1 / 32, rel=1e-3)
    assert solved(bump, 1 / 32) > 0.5
    with pytest.raises(ValueError, match=r"cannot be met.*reach 0.04000 to 0.04000"):
        solved(lambda token: 0.04)


def test_side_information_costs_what_the_ideal_link_says() -> None:
    per_use = math.log2(1 + 10**0.7)
    assert charged(CENTRE, 100, announce=True) == pytest.approx((100 + LENGTH_BITS) / per_use)
    assert charged(CENTRE, 0, announce=False) == 0
    found = spent(
        np.full(2, 1000.0),
        {"rates": np.array([80, 120]), "scale": np.array([8, 8])},
        CENTRE,
        constant=frozenset({"scale"}),
    )
    assert found.cbr_side * 3 * SIZE**2 == pytest.approx((np.array([80, 120]) + LENGTH_BITS + 8) / per_use)
    assert found.cbr_total == pytest.approx(found.cbr_side + 1000 / (3 * SIZE**2))


def test_side_information_costs_more_over_the_coded_link_the_worse_the_channel() -> None:
    assert charged(CENTRE, 100, announce=True) < charged(CODED, 100, announce=True) < charged(FADED, 100, announce=True)
    assert charged(CODED, 100, announce=False) < charged(CODED, 100, announce=True)


@pytest.mark.nightly
@pytest.mark.parametrize("condition", [CENTRE, CODED, FADED], ids=str)
def test_charges_are_those_of_the_link(condition: Condition) -> None:
    lengths = [8, 40, 133]
    for announce in (False, True):
        sent = condition.side.send(
            Bits(bits=jnp.zeros((3, 133), jnp.uint8), length=jnp.asarray(lengths, jnp.int32)),
            snr_db=np.full(3, condition.snr_db, np.float32),
            keys=jax.random.split(jax.random.key(0), 3),
            announce=announce,
        )
        assert sent.uses == pytest.approx([charged(condition, n, announce=announce) for n in lengths])


class Counting:
    """A codec that counts what it is given, and may be made to lose."""

    def __init__(self, loss: int = 0) -> None:
        self.codec, self.loss, self.coded, self.decoded = rates_codec(RateSet()), loss, 0, 0

    def pack(self, array: np.ndarray) -> Bits:
        self.coded += len(array)
        return self.codec.pack(array)

    def unpack(self, bits: Bits, like: np.ndarray) -> np.ndarray:
        self.decoded += len(like)
        return self.codec.unpack(bits, like) ^ self.loss


def test_what_was_coded_here_is_not_coded_or_decoded_again_but_damage_is() -> None:
    maps = np.random.default_rng(0).integers(0, 16, (70, 2, 3)).astype(np.int32)
    own = Counting()
    codec = Remembered(own)
    bits = codec.pack(maps)
    assert np.array_equal(codec.unpack(bits, np.zeros_like(maps)), maps)
    first = own.decoded
    again = codec.pack(maps[::-1])
    assert np.array_equal(codec.unpack(again, np.zeros_like(maps)), maps[::-1])
    assert (own.coded, own.decoded) == (70, first)
    damaged = dataclasses.replace(bits, bits=jnp.asarray(1 - np.asarray(bits.bits)))
    found = codec.unpack(damaged, np.zeros_like(maps))
    assert np.array_equal(found, own.codec.unpack(damaged, np.zeros_like(maps)))
    assert np.array_equal(np.asarray(again.length), np.asarray(own.codec.pack(maps[::-1]).length))


def test_a_codec_that_loses_is_found_out() -> None:
    codec = Remembered(Counting(loss=1))
    maps = np.full((2, 2, 2), 4, np.int32)
    with pytest.raises(ValueError, match="does not give back"):
        codec.unpack(codec.pack(maps), np.zeros_like(maps))


def test_rows_of_seeds_and_of_all_together() -> None:
    rows = [*levels(points("student", 2.0, 2.1, 2.3))]
    assert all(set(row) == set(results.FIELDS) for row in rows)
    assert {row["seed"] for row in rows} == {0, 1, 2, -1}
    assert "outage" not in {row["metric"] for row in rows}
    high = {row["seed"]: row for row in rows if row["metric"] == "psnr_high"}
    assert high[-1]["mean"] == pytest.approx(np.mean([high[seed]["mean"] for seed in range(3)]))
    assert (high[-1]["checkpoint"], high[2]["checkpoint"]) == ("", "sa_oosc_student_2")
    assert (high[-1]["rate"], high[2]["rate"]) == (pytest.approx(0.6), pytest.approx(0.7))
    assert (high[0]["n_images"], high[0]["cbr_total"]) == (20, pytest.approx(1 / 32))
    share = next(row for row in rows if row["metric"] == "answer_intent" and row["seed"] == 0)
    assert share["mean"] == share["ci_low"] == 1.0
    single = [*levels(points("roi", 1.0, condition=CODED))]
    assert {row["seed"] for row in single} == {0}
    assert next(row["mean"] for row in single if row["metric"] == "outage") == 0.5


def test_gains_are_of_the_same_seed_and_picture() -> None:
    rows = [*over(points("student", 2.0, 2.1, 2.3), points("static", 1.0, 1.2, 1.2))]
    name = "psnr_high_gain_over_sa_oosc_static"
    high = {row["seed"]: row for row in rows if row["metric"] == name}
    assert [high[seed]["mean"] for seed in (0, 1, 2, -1)] == pytest.approx([1.0, 0.9, 1.1, 1.0], abs=1e-6)
    assert 0.89 < high[-1]["ci_low"] < 0.97 < 1.03 < high[-1]["ci_high"] < 1.11
    asked = next(row for row in rows if row["metric"].startswith("answer_intent_gain") and row["seed"] == -1)
    assert asked["mean"] == pytest.approx(0.25)
    lone = [*over(points("student", 2.0, 2.1), points("roi", 1.0))]
    assert {row["seed"] for row in lone} == {0}
    assert [*over(points("student", 2.0), [])] == []


def test_the_student_is_compared_with_all() -> None:
    found = pairs(["student", "static", "uniform_weighted", "uniform", "no_rank"])
    assert [b for a, b in found if a == "student"] == ["static", "uniform_weighted", "uniform", "no_rank"]
    assert {pair for pair in found if pair[0] != "student"} == {
        ("static", "uniform_weighted"),
        ("uniform_weighted", "uniform"),
    }


def test_the_share_of_a_gain_that_is_kept() -> None:
    seen = points("student", 2.0, 2.1), points("uniform_weighted", 1.0, 1.1)
    unseen = tuple(
        points(v, *s, split="unseen_class") for v, s in (("student", (1.5, 1.6)), ("uniform_weighted", (1, 1.1)))
    )
    rows = [*kept(unseen, seen)]
    assert [row["seed"] for row in rows] == [0, 1, -1]
    assert {row["metric"] for row in rows} == {"kept_psnr_high_gain_over_sa_oosc_uniform_weighted"}
    assert all(row["mean"] == pytest.approx(0.5) and row["split"] == "unseen_class" for row in rows)


def test_what_is_off_or_outside_is_noted() -> None:
    about = {"checkpoint": "x", "channel": "awgn", "side_link": "ideal", "snr_db": 7.0, "cbr_target": 1 / 32}
    good = {
        **about,
        "cbr_total": 1 / 32,
        "off": 0.005,
        "outside": False,
        "rate": 0.5,
        "trained_from": 0.25,
        "trained_to": 1.0,
    }
    bad = {**good, "off": -0.02, "outside": True, "rate": 0.2}
    assert [*notes([good])] == []
    assert [line.partition(": ")[2] for line in notes([bad])] == [
        "cbr 0.03125 is -2.0 % off 0.03125",
        "rate token 0.200 is outside 0.25 to 1.0",
    ]


def test_the_entropy_of_maps_is_that_of_one_table_for_all() -> None:
    index = np.random.default_rng(0).integers(0, 4, (500, 8))
    assert zeroth_order(index).mean() == pytest.approx(16, abs=0.02)
    assert zeroth_order(np.array([[0, 0], [0, 1]])) == pytest.approx([0.830, 2.415], abs=1e-3)


def test_the_threshold_is_that_of_the_best_f1() -> None:
    assert threshold(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.1, 0.6, 0.1, 1.0])) == 0.4
    assert threshold(np.array([0.5, 0.5, 0.5, 0.5, 0.9]), np.array([0.6, 0.1, 0.1, 0.1, 1.0])) == 0.9
    assert threshold(np.array([0.5, 0.5]), np.array([0.6, 0.1])) == 0.5


def test_rate_at_equal_quality() -> None:
    def curve(factor: float) -> list[Point]:
        found = []
        for token in (0.25, 0.5, 1.0):
            point = points("student", 4 * math.log2(token / 0.25))[0]
            arrays = {**point.arrays, "cbr_total": np.full(PICTURES, factor * token / 8)}
            found.append(dataclasses.replace(point, arrays=arrays))
        return found

    found = bd_interval(curve(1.0), curve(0.8))
    assert (found.mean, found.low, found.high) == pytest.approx((-20.0, -20.0, -20.0), abs=1e-6)
    flat = [
        dataclasses.replace(point, arrays={**point.arrays, "psnr_high": np.full(PICTURES, 30.0)}) for point in curve(1)
    ]
    assert math.isnan(bd_interval(flat, curve(0.8)).mean)
