"""Throughput of `benchmarks/ldpc.py`: information Mbit/s of decoding alone, both implementations by turns.

First every batch size of Sionna is timed once, eager, then the smallest and the fastest of them by torch.compile, which
takes minutes; the fastest eager and the fastest compiled one compete. A ratio is taken within a turn, to the one of
those two with the higher median. Run it on an idle machine: torch's threads wait for each other actively, and on a busy
one Sionna lost up to nine tenths of its speed.
"""

import argparse
import os
import statistics
from typing import Any

from ldpc_bler import FLOODING, LAYERED, RULES
from ldpc_statistics import Results, Row

OURS = {
    "same algorithm": {},
    "layered offset min-sum, early stop": {"rule": "offset_min_sum", **LAYERED},
    "layered sum-product, early stop": {"rule": "sum_product", **LAYERED},
}


class Entry:
    """Who competes: one way to decode on one side."""

    def __init__(self, case: str, worker: Any, code: Row) -> None:
        self.case, self.worker, self.code = case, worker, code
        self.speeds: list[float] = []
        self.compile_s: float | None = None
        self.error = ""
        self.repeat = 1

    def prepare(self, flags: argparse.Namespace) -> float:
        """Compiles and warms up; information Mbit/s of one decoding, 0 if it fails."""
        try:
            self.compile_s = self.worker.ask(do="prepare", code=self.code, ebn0_db=flags.ebn0_db)["compile_s"]
            seconds = self.worker.ask(do="time", code=self.code, repeat=1)["seconds"]
        except RuntimeError as error:
            self.error = str(error)
            print(f"{self.code['rule']} {self.case}: {error}", flush=True)
            return 0.0
        self.repeat = max(1, round(flags.turn_s / seconds))
        print(f"{self.code['rule']} {self.case}: {seconds:.3f} s, {self.compile_s:.1f} s the first time", flush=True)
        return self.code["k"] * self.code["batch"] / seconds / 1e6

    def turn(self) -> None:
        """Times some decodings."""
        seconds = self.worker.ask(do="time", code=self.code, repeat=self.repeat)["seconds"]
        self.speeds.append(self.code["k"] * self.code["batch"] / seconds / 1e6)


def measure(flags: argparse.Namespace, ours: Any, theirs: Any = None, *, machine: str) -> None:
    """All rows, written anew."""
    path = flags.results / "ldpc_throughput.json"
    path.unlink(missing_ok=True)
    told = ours.ask(do="device")
    where = machine if told["platform"] == "cpu" else told["kind"]
    found = Results(path, machine=where, threads=flags.threads)
    for rule in RULES:
        load = os.getloadavg()[0]
        for row in race(flags, rule, ours, theirs):
            found.add(row | {"load_average_before": round(load, 2)})


def race(flags: argparse.Namespace, rule: str, ours: Any, theirs: Any) -> list[Row]:
    """Everyone beside Sionna's decoder of one rule, in turn, several times over."""
    code = {"k": 512, "n": 1024, "rule": rule, **FLOODING}
    here = [Entry(case, ours, {**code, **what, "batch": flags.batch}) for case, what in OURS.items()]
    there, failed = _fastest(flags, theirs, code) if theirs else ([], [])
    for entry in here:
        entry.prepare(flags)
    running = [entry for entry in here + there if not entry.error]
    for _ in range(flags.repetitions):
        for entry in running:
            entry.turn()
    best = max((entry.speeds for entry in running if entry.worker is theirs), key=statistics.median, default=[])
    return [_row(entry, rule, best, flags) for entry in here + there + failed]


def _fastest(flags: argparse.Namespace, theirs: Any, code: Row) -> tuple[list[Entry], list[Entry]]:
    """The fastest eager and the fastest compiled form, and those that failed."""
    chosen, failed, sizes = [], [], list(flags.sionna_batches)
    for case, compiled in (("sionna", False), ("sionna compiled", True)):
        entries = [Entry(f"{case}, batch {b}", theirs, {**code, "batch": b, "compiled": compiled}) for b in sizes]
        speeds = [entry.prepare(flags) for entry in entries]
        failed += [entry for entry in entries if entry.error]
        if max(speeds):
            chosen.append(entries[speeds.index(max(speeds))])
            sizes = sorted({sizes[0], chosen[0].code["batch"]})
    return chosen, failed


def _row(entry: Entry, rule: str, best: list[float], flags: argparse.Namespace) -> Row:
    ratios = [a / b for a, b in zip(entry.speeds, best, strict=False)]
    return {
        "beside": rule,
        "case": entry.case,
        "k": entry.code["k"],
        "n": entry.code["n"],
        **{name: entry.code[name] for name in ("rule", "schedule", "iterations", "early_stop", "batch")},
        "ebn0_db": flags.ebn0_db,
        "mbit_per_s": statistics.median(entry.speeds) if entry.speeds else None,
        "ratio_to_sionna": statistics.median(ratios) if ratios else None,
        "ratio_min": min(ratios, default=None),
        "ratio_max": max(ratios, default=None),
        "compile_s": entry.compile_s,
        "repetitions": len(entry.speeds),
        "error": entry.error,
    }
