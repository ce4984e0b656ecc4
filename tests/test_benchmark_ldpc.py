"""The statistics of benchmarks/ldpc.py, which run without what it compares with."""

import importlib
import pathlib
import types

import numpy as np
import pytest
from scipy import stats


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def statistics(module):
    return module("ldpc_statistics")


def test_two_proportions_are_a_chi_squared_test(statistics):
    table = np.array([[30, 70], [45, 55]])
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert statistics.two_proportions((30, 45), (100, 100)) == pytest.approx(expected)
    assert statistics.two_proportions((0, 0), (100, 50)) == 1


def test_holm_corrects_the_least_most(statistics):
    assert statistics.holm([0.04, 0.01, 0.5]) == pytest.approx([0.08, 0.03, 0.5])
    assert statistics.holm([0.3, 0.4]) == pytest.approx([0.6, 0.6])
    assert statistics.holm([]) == []


def test_the_crossing_is_where_the_probit_meets_the_target(statistics):
    snr = [0.0, 1.0, 2.0]
    rate = stats.norm.sf([1.0, 2.0, 3.0])
    assert statistics.crossing(snr, rate) == pytest.approx(stats.norm.isf(1e-2) - 1)
    assert statistics.crossing([0.0, 1.0], [0.9, 0.5]) is None
    assert statistics.crossing([0.0, 1.0], [1e-3, 1e-4]) is None


def test_the_interval_of_a_difference_holds_it(statistics):
    def points(shift):
        snr = np.array([1.7, 2.0, 2.3, 2.6])
        return [
            {"ebn0_db": float(x), "errors": round(2000 * stats.norm.sf(4 * (x - 1.5 - shift))), "blocks": 2000}
            for x in snr
        ]

    low, high = statistics.difference_interval(points(0.1), points(0.0))
    assert low < 0.1 < high
    assert low > 0
    assert high < 0.2
    assert statistics.difference_interval(points(9.0), points(0.0)) is None


def test_results_are_kept_and_found_again(statistics, tmp_path, capsys):
    found = statistics.Results(tmp_path / "made" / "rows.json", machine="none")
    found.add({"k": 200, "n": 400, "value": 0.5})
    again = statistics.Results(tmp_path / "made" / "rows.json")
    assert again.find(k=200, n=400)["value"] == 0.5
    assert again.find(k=200, n=400)["machine"] == "none"
    assert again.find(k=200, n=401) is None


class Side:
    """Answers with block errors of a known waterfall."""

    side = "semjax"

    def __init__(self, middle):
        self.middle, self.asked = middle, []

    def ask(self, *, do, code, ebn0_db, blocks, seed):
        self.asked.append((ebn0_db, seed))
        return {"errors": round(blocks * stats.norm.sf(4 * (ebn0_db - self.middle))), "blocks": blocks}


@pytest.mark.parametrize("middle", [0.5, 1.2, 1.9])
def test_points_enclose_the_target_and_are_measured_once(module, statistics, tmp_path, capsys, middle):
    bler = module("ldpc_bler")
    points = statistics.Results(tmp_path / "points.json")
    told = {"points": points, "step": 0.3, "blocks": 2000, "seed": 0}
    code = {"k": 8, "n": 16, "rule": "sum_product", **bler.FLOODING}
    side = Side(middle)
    rows = bler._measured(side, code, 1.75, told)
    rates = [row["bler"] for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert max(rates) >= statistics.TARGET > min(rates)
    assert len({seed for _, seed in side.asked}) == len(side.asked)
    asked = len(side.asked)
    assert [row["ebn0_db"] for row in bler._measured(side, code, 1.75, told)] == [row["ebn0_db"] for row in rows]
    assert len(side.asked) == asked


def test_verdicts_name_what_fails(module):
    summary = module("ldpc_summary")
    row = {"rule": "sum_product", "ebn0_db": 1.0, "same_llr_same_outcome": 1.0, "same_llr_blocks": 500}
    row |= {"ours_bler": 0.1, "ours_blocks": 1000, "sionna_bler": 0.1, "sionna_blocks": 500}
    lines = list(summary.same_rates([{**row, "p_value": 1e-4}, {**row, "p_value": 0.02}]))
    assert [line.split(":")[0] for line in lines] == ["(a) FAIL", "(a) pass"]


def test_throughput_is_compared_with_the_faster_of_the_others(module, tmp_path, capsys):
    throughput = module("ldpc_throughput")

    class Clock:
        def __init__(self, seconds):
            self.seconds = seconds

        def ask(self, *, do, code=None, **_):
            if do == "device":
                return {"platform": "cpu", "kind": "cpu"}
            if do == "prepare" and code.get("compiled"):
                raise RuntimeError("no compiler")
            return {"compile_s": 1.0, "seconds": self.seconds}

    flags = types.SimpleNamespace(
        results=tmp_path, threads=2, batch=64, sionna_batches=[32, 64], repetitions=3, turn_s=0.1, ebn0_db=2.0
    )
    throughput.measure(flags, Clock(0.1), Clock(0.5), machine="none")
    rows = {
        (row["beside"], row["case"]): row for row in module("ldpc_summary")._rows(tmp_path / "ldpc_throughput.json")
    }
    assert rows["sum_product", "same algorithm"]["ratio_to_sionna"] == pytest.approx(5)
    assert rows["sum_product", "sionna, batch 64"]["ratio_to_sionna"] == pytest.approx(1)
    assert rows["sum_product", "sionna compiled, batch 32"]["error"] == "no compiler"
    throughput.measure(flags, Clock(0.1), machine="none")
    rows = module("ldpc_summary")._rows(tmp_path / "ldpc_throughput.json")
    assert {row["ratio_to_sionna"] for row in rows} == {None}


def test_noise_is_that_of_the_ebn0(module):
    worker = module("ldpc_worker")
    # At rate 1/2 a QPSK symbol carries one bit: Es = Eb.
    assert worker.noise_var({"k": 512, "n": 1024}, 3.0) == pytest.approx(10**-0.3)
    side = worker.Semjax.__new__(worker.Semjax)
    import jax

    side.devices, side.programs = jax.devices()[:1], {}
    code = {"k": 24, "n": 60, "rule": "sum_product", "schedule": "layered", "iterations": 5, "early_stop": True}
    told = {"code": {**code, "batch": 16}, "blocks": 24, "seed": 1}
    assert worker.errors(side, {**told, "ebn0_db": 20.0}) == {"errors": 0, "blocks": 24}
    assert worker.errors(side, {**told, "ebn0_db": -20.0})["errors"] == 24
