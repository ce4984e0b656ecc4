"""The separation benchmark: its arithmetic, and what its committed results must show."""

import dataclasses
import json
import math
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from separation import CLIFF, gap_to_capacity_db  # noqa: E402
from separation_bler import Counts, counted  # noqa: E402
from separation_ladders import Compressed, Fitted, between  # noqa: E402
from separation_points import CBRS, SNRS_DB, fixed, point  # noqa: E402

from semjax.evaluators import references, results  # noqa: E402
from semjax.link.envelope import Quality  # noqa: E402
from semjax.link.frames import plan  # noqa: E402

PIXELS = 768 * 512
QUALITY = Quality(bpp=(0.05, 0.2, 0.8, 3.2), mean=(24.0, 29.0, 34.0, 40.0), lost=13.0)
RESULTS = ROOT / "docs" / "results"


def rows(**where) -> list[results.Row]:
    return [r for r in results.read(RESULTS / "separation.json") if all(r[k] == v for k, v in where.items())]


def at(row: results.Row) -> tuple[str, str, float, float]:
    cbr = min(CBRS, key=lambda cbr: abs(cbr - row["cbr_total"]))
    return row["variant"], row["channel"], cbr, row["snr_db"]


def test_a_longer_message_is_lost_more_often(tmp_path):
    coded = point(QUALITY, name="awgn", link="coded", cbr=1 / 8, snr_db=7.0, pixels=PIXELS)
    short = counted(coded)
    assert (short.scheme, short.snr_db, short.cbr) == (coded.scheme, 7.0, 1 / 24)
    blocks = [plan(8 * p.budget, p.scheme).frame.blocks for p in (short, coded)]
    row = {"channel": "awgn", "snr_db": 7.0, "scheme": coded.scheme.name, "message_bits": 8 * short.budget}
    row |= {"blocks": 1000, "lost": 37, "code_blocks": blocks[0]}
    path = tmp_path / "counts.json"
    path.write_text(json.dumps([row]))
    found = Counts(path)
    assert found.lost(short) == pytest.approx(0.037)
    assert found.lost(coded) == pytest.approx(1 - 0.963 ** (blocks[1] / blocks[0]))
    assert found.missing([coded, short]) == []
    faded = point(QUALITY, name="rayleigh", link="coded", cbr=1 / 8, snr_db=7.0, pixels=PIXELS)
    assert counted(faded).budget == 1053
    assert found.missing([faded, coded, faded]) == [counted(faded)]


def test_the_gap_is_that_to_shannon_and_to_the_outage():
    coded = point(QUALITY, name="awgn", link="coded", cbr=1 / 12, snr_db=10.0, pixels=PIXELS)
    rate = 8 * coded.budget / coded.spent
    assert gap_to_capacity_db(coded, 0.0) == pytest.approx(10 - 10 * math.log10(2**rate - 1))
    faded = dataclasses.replace(coded, channel_name="rayleigh")
    lost = 1 - math.exp(-(2**rate - 1) / 10**0.8)
    assert gap_to_capacity_db(faded, lost) == pytest.approx(2.0)


def test_settings_are_spread_over_those_needed():
    one = Compressed(fitted={10: Fitted(index=20, size=9, mse=0.1), 5: None}, tried={})
    other = Compressed(fitted={10: Fitted(index=41, size=9, mse=0.1)}, tried={})
    assert between([one, other]) == [20, 26, 32, 38, 41]
    assert between([Compressed(fitted={1: None}, tried={}, failed="no")]) == []


def test_one_scheme_has_one_budget_whatever_the_snr():
    budgets = {fixed(CLIFF, snr_db=snr, pixels=PIXELS).budget for snr in SNRS_DB}
    assert len(budgets) == 1


def test_every_codec_was_measured_at_every_point():
    variants = {row["variant"] for row in rows()}
    assert len(variants) == 7
    for terms in ({"side_link": "coded"}, {"link_terms": "capacity"}, {"link_terms": "outage capacity"}):
        channels = ("awgn", "rayleigh") if terms != {"link_terms": "outage capacity"} else ("rayleigh",)
        wanted = {(v, c, cbr, s) for v in variants for c in channels for cbr in CBRS for s in SNRS_DB}
        found = rows(metric="psnr", **terms)
        assert {at(row) for row in found} == wanted
        assert len(found) == len(wanted)
        assert all(row["n_images"] == 24 for row in found)


def test_no_code_beats_capacity():
    bound = {at(row): row["mean"] for row in rows(metric="psnr", link_terms="capacity")}
    outage = {at(row): row["mean"] for row in rows(metric="psnr", link_terms="outage capacity")}
    for row in rows(metric="psnr", side_link="coded"):
        assert row["mean"] < bound[at(row)] + 1e-9
        if row["channel"] == "rayleigh":
            assert row["mean"] < outage[at(row)] + 0.3  # both choose on other pictures than these
    assert all(row["mean"] > 0 for row in rows(metric="gap_to_capacity_db"))


def test_the_envelope_climbs_and_one_scheme_falls_off_its_cliff():
    found = {at(row): row["mean"] for row in rows(metric="psnr", side_link="coded")}
    for variant, channel, cbr, _ in found:
        climb = [found[variant, channel, cbr, snr] for snr in SNRS_DB]
        assert climb == sorted(climb)
    cliff = [r for r in results.read(RESULTS / "separation_cliff.json") if r["metric"] == "psnr"]
    by_snr = [row["mean"] for row in sorted(cliff, key=lambda row: row["snr_db"])]
    assert by_snr == sorted(by_snr)
    assert by_snr[0] < 15
    assert by_snr[-1] > by_snr[0] + 10
    assert max(np.diff(by_snr)) > 5


@pytest.mark.parametrize("metric", ["psnr", "psnr_fixed_quality"])
def test_hevc_at_capacity_lies_where_bpg_does(metric):
    bpg = next(reference for reference in references.load() if reference.name == "BPG + capacity")
    where = {"link_terms": "capacity", "variant": "hevc", "channel": "awgn"}
    own = {at(row)[2:]: row["mean"] for row in rows(metric=metric, **where)}
    met = 0
    for (cbr, snr_db), value in own.items():
        for figure in bpg.points:
            if figure.snr_db == snr_db and references.same_rate(cbr, figure.cbr):
                assert abs(value - figure.value) < (1.0 if figure.cbr > 0.12 else 0.7)
                met += 1
    assert met == 6


@pytest.mark.parametrize("variant", ["hevc", "jpeg2000"])
def test_budgets_are_filled(variant):
    assert min(row["mean"] for row in rows(metric="fill", variant=variant)) >= 0.9


def test_what_was_really_sent_agrees_with_what_was_counted():
    full = {at(row) for row in rows(metric="fill", side_link="coded") if row["n_images"] == 24}
    lost = {at(row): row["mean"] for row in rows(metric="lost_sent") if at(row) in full}
    expected = {at(row): row["mean"] for row in rows(metric="outage", side_link="coded") if at(row) in full}
    assert len(expected) > 150
    variance = sum(p * (1 - p) / 24 for p in expected.values())
    assert abs(sum(lost.values()) - sum(expected.values())) < 4 * variance**0.5
