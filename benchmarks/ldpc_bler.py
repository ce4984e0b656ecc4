"""Block error rates of `benchmarks/ldpc.py`: both implementations at the same points, each with noise of its own.

Every batch has a seed of its own: `seed` of the point, plus the number of blocks before it.
"""

import argparse
import itertools
import tempfile
from typing import Any

from ldpc_statistics import (
    TARGET,
    Results,
    Row,
    crossing,
    difference_interval,
    normal_approximation_db,
    smoothed,
    two_proportions,
)

SNRS_DB = (1.0, 1.5, 2.0)
FLOODING = {"schedule": "flooding", "iterations": 20, "early_stop": False}
LAYERED = {"schedule": "layered", "iterations": 20, "early_stop": True}
RULES = ("sum_product", "offset_min_sum")
STEPS_DB = {(200, 400): 0.3, (1024, 1536): 0.15, (1024, 3072): 0.15, (4096, 6144): 0.1}
"""Codes and the distance of their points; what takes longest comes last."""
MOST_POINTS = 6
SEEDS = 100_000
"""Distance of the seeds of two points; more than there are blocks."""


def waterfall(flags: argparse.Namespace, ours: Any, theirs: Any, *, machine: str) -> None:
    """(512, 1024): both sides at three SNRs, and the same llr decoded by both."""
    found = Results(flags.results / "ldpc_bler.json", machine=machine)
    for number, (rule, ebn0_db) in enumerate(itertools.product(RULES, SNRS_DB), start=1):
        code = {"k": 512, "n": 1024, "rule": rule, **FLOODING}
        if not found.find(**code, ebn0_db=ebn0_db):
            asked = {"do": "errors", "ebn0_db": ebn0_db, "seed": SEEDS * number}
            a = ours.ask(**asked, code={**code, "batch": 1000}, blocks=flags.blocks)
            there = _sionna(ours, theirs, code, asked, flags.blocks // 2)
            found.add({**code, "ebn0_db": ebn0_db, **_compared(a, there)})


def schedules(flags: argparse.Namespace, ours: Any, *, machine: str) -> None:
    """The layered decoders at the points of `waterfall`, beside what Sionna counted there by flooding."""
    there = Results(flags.results / "ldpc_bler.json")
    found = Results(flags.results / "ldpc_schedules.json", machine=machine)
    for number, (rule, ebn0_db) in enumerate(itertools.product(RULES, SNRS_DB), start=11):
        code = {"k": 512, "n": 1024, "rule": rule, **LAYERED}
        if not found.find(**code, ebn0_db=ebn0_db):
            asked = {"do": "errors", "ebn0_db": ebn0_db, "seed": SEEDS * number}
            a = ours.ask(**asked, code={**code, "batch": 1000}, blocks=flags.blocks)
            rows = {name: there.find(rule=name, ebn0_db=ebn0_db) for name in RULES}
            beside = {f"{key}_beside_{name}": value for name, row in rows.items() for key, value in _beside(a, row)}
            found.add({**code, "ebn0_db": ebn0_db, **_ours(a), **beside})


def _beside(a: Row, there: Row) -> list[tuple[str, float]]:
    """Sionna's rate, and whether ours differs."""
    return [(name, _compared(a, there)[name]) for name in ("sionna_bler", "p_value")]


def _sionna(ours: Any, theirs: Any, code: Row, asked: Row, blocks: int) -> Row:
    """The same point there, and the same llr decoded by both."""
    b = theirs.ask(**asked, code={**code, "batch": 250}, blocks=blocks)
    counted = {"sionna_errors": b["errors"], "sionna_blocks": b["blocks"], "sionna_bler": b["errors"] / b["blocks"]}
    same = {**code, "batch": min(500, blocks)}
    return counted | _identical(ours, theirs, same, asked["ebn0_db"], asked["seed"] + SEEDS // 2)


def _identical(ours: Any, theirs: Any, code: Row, ebn0_db: float, seed: int) -> Row:
    """One batch of the same llr, decoded by both: shares of blocks with the same outcome and with the same bits."""
    with tempfile.TemporaryDirectory() as folder:
        what = {"code": code, "path": f"{folder}/llr.npz"}
        ours.ask(do="write", **what, ebn0_db=ebn0_db, seed=seed)
        same = theirs.ask(do="read", **what)
    return {f"same_llr_{name}": same[name] for name in ("blocks", "same_outcome", "same_bits")}


def _ours(a: Row) -> Row:
    return {"ours_errors": a["errors"], "ours_blocks": a["blocks"], "ours_bler": a["errors"] / a["blocks"]}


def _compared(a: Row, there: Row) -> Row:
    """A row's figures."""
    pair = (a["errors"], there["sionna_errors"]), (a["blocks"], there["sionna_blocks"])
    return _ours(a) | there | {"p_value": two_proportions(*pair)}


def gaps(flags: argparse.Namespace, ours: Any, theirs: Any, *, machine: str) -> None:
    """Eb/N0 at a block error rate of 1e-2 for other codes."""
    points = Results(flags.results / "ldpc_points.json", machine=machine)
    found = Results(flags.results / "ldpc_gap.json", machine=machine)
    for number, ((k, n), step) in enumerate(STEPS_DB.items(), start=1):
        if found.find(k=k, n=n):
            continue
        limit = normal_approximation_db(k, n)
        code = {"k": k, "n": n, "rule": "sum_product", **FLOODING, "batch": 500 if n < 5000 else 250}
        told = {"points": points, "step": step, "blocks": flags.blocks // 5, "seed": SEEDS * 100 * number}
        centre = _search(ours, code, limit, told)
        same = _identical(ours, theirs, {**code, "batch": 250}, centre - step, told["seed"])
        we, they = _measured(ours, code, centre, told), _measured(theirs, {**code, "batch": 100}, centre, told)
        longer = {**code, "iterations": 50}
        more = _measured(ours, longer, _search(ours, longer, limit, told), told)
        found.add(_gap(k, n, limit, we, they, more) | same)


def _gap(k: int, n: int, limit: float, we: list[Row], they: list[Row], more: list[Row]) -> Row:
    """A row of the gap file."""
    here, there, after = (
        crossing([p["ebn0_db"] for p in side], [smoothed(p["errors"], p["blocks"]) for p in side])
        for side in (we, they, more)
    )
    interval = difference_interval(we, they) or (None, None)
    return {
        "k": k,
        "n": n,
        "rule": "sum_product",
        "schedule": "flooding",
        "bler": TARGET,
        "ours_blocks": min(p["blocks"] for p in we),
        "sionna_blocks": min(p["blocks"] for p in they),
        "ours_db": here,
        "sionna_db": there,
        "difference_db": None if here is None or there is None else here - there,
        "difference_low_db": interval[0],
        "difference_high_db": interval[1],
        "normal_approximation_db": limit,
        "ours_50_iterations_db": after,
        "gap_50_iterations_db": None if after is None else after - limit,
    }


def _search(side: Any, code: Row, limit: float, told: Row) -> float:
    """About where the rate is the target, to 0.05 dB: upwards from the normal approximation, with few blocks."""
    count, snr, rate = max(told["blocks"] // 5, 100), [], []
    while len(snr) < 20 and not (rate and rate[-1] < TARGET):
        snr.append(limit + 0.25 * len(snr))
        asked = {"ebn0_db": snr[-1], "blocks": count, "seed": told["seed"] + SEEDS * (80 + len(snr))}
        a = side.ask(do="errors", code=code, **asked)
        rate.append(smoothed(a["errors"], count))
    found = crossing(snr, rate)
    return round((snr[-1] if found is None else found) / 0.05) * 0.05


def _measured(side: Any, code: Row, centre: float, told: Row) -> list[Row]:
    """Three points, and more beside them until the target lies between two."""
    step = told["step"]
    snr = [round(centre + step * i, 2) for i in (-1, 0, 1)]
    while True:
        rows = [_point(side, code, x, told) for x in snr]
        rate = [smoothed(p["errors"], p["blocks"]) for p in rows]
        if crossing(snr, rate) is not None or len(snr) >= MOST_POINTS:
            return rows
        snr = sorted([*snr, round(snr[-1] + step if rate[-1] >= TARGET else snr[0] - step, 2)])


def _point(side: Any, code: Row, ebn0_db: float, told: Row) -> Row:
    """One point, from the file if it is there."""
    key = {name: code[name] for name in ("k", "n", "rule", "schedule", "iterations")}
    key |= {"side": side.side, "ebn0_db": ebn0_db}
    row = told["points"].find(**key)
    if row:
        return row
    seed = told["seed"] + SEEDS * (code["iterations"] // 10 * 10 + round(ebn0_db / 0.05) % 10)
    a = side.ask(do="errors", code=code, ebn0_db=ebn0_db, blocks=told["blocks"], seed=seed)
    return told["points"].add(
        key | {"errors": a["errors"], "blocks": a["blocks"], "bler": a["errors"] / a["blocks"], "seed": seed}
    )
