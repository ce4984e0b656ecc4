"""Training step and inference here against the same network in torch, interleaved in one run.

    python benchmarks/step.py                                  # all networks, about ten minutes on two idle cores
    python benchmarks/step.py --networks swin_small --batches 4

Networks: DeepJSCC (`deepjscc`), the published SwinJSCC for 32x32 pictures (`swin_cifar`) and the small one on the
linear code at 128x128 (`swin_small`). Each gets a results file of its own.

Three processes (this package; torch in two forms: contiguous or channels last for convolutions, attention by two
products or by torch's own function for windows), each with the same two threads, wait for each other's turn: A B C A B
C ... One repetition of one side is a handful of steps. A ratio is taken within a repetition, so that what else the
machine does hits both sides; the median of the ratios is the result, the faster form of torch is the opponent. Run it
on an idle machine: torch's threads wait for each other actively and lose most under foreign load, so ratios taken then
flatter this package (`ratio_of_best` less so; `load_average` is recorded).

The share of the peak sets the count of multiplications and additions of `networks.py` against a 2048 x 2048 float32
matrix product measured in the same run. This package runs as `train.py` makes it run: one virtual device per core and
freed memory kept. Needs torch (`pip install "semjax[bench]"`).
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from typing import Any

from networks import COMPARISONS, Comparison

from semjax.training.log import git_state

TURN_S = 0.4  # one side's turn lasts about this long, or one step


class Side:
    """A worker process."""

    def __init__(self, network: str, kind: str, threads: int) -> None:
        worker = pathlib.Path(__file__).with_name("step_worker.py")
        command = [sys.executable, str(worker), network, kind, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Sends one request and waits for its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended while asked to {do} {what}; its message is above")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(sides: dict[str, Side], comparison: Comparison, job: str, batch: int, repetitions: int) -> dict[str, Any]:
    """One job at one batch size: medians per side, ratio within repetitions, compile time, memory by XLA."""
    made = {kind: side.ask("prepare", job=job, batch=batch) for kind, side in sides.items()}
    parameters = {kind: answer["parameters"] for kind, answer in made.items()}
    if len(set(parameters.values())) > 1:
        raise RuntimeError(f"the sides have different networks: {parameters} parameters")
    what = {"job": job, "batch": batch}
    for side in sides.values():
        side.ask("run", **what, steps=2)
    slowest = max(side.ask("run", **what, steps=2)["seconds"] for side in sides.values())
    steps = max(1, min(20, round(TURN_S / slowest)))
    turns = [{kind: side.ask("run", **what, steps=steps) for kind, side in sides.items()} for _ in range(repetitions)]
    flops = comparison.flops(job, batch)
    found = ratios(turns, comparison.opponents)
    return {
        **what,
        "steps_per_repetition": steps,
        "repetitions": repetitions,
        **found,
        "parameters": parameters["jax"],
        "gflop": round(flops / 1e9, 3),
        "jax_gflops": round(flops / found["ms"]["jax"] / 1e6, 1),
        "compile_s": made["jax"]["compile_s"],
        "xla_memory_mb": made["jax"]["memory"],
    }


def ratios(turns: list[dict[str, dict[str, float]]], opponents: tuple[str, ...]) -> dict[str, Any]:
    """Times per side and what they are to each other."""
    kinds = ("jax", *opponents)
    median = {k: statistics.median(turn[k]["seconds"] for turn in turns) for k in kinds}
    opponent = min(opponents, key=median.__getitem__)
    ratio = {
        name: sorted(turn["jax"][name] / turn[opponent][name] for turn in turns) for name in ("seconds", "cpu_seconds")
    }
    best = {kind: min(turn[kind]["seconds"] for turn in turns) for kind in kinds}
    return {
        "opponent": opponent,
        "ratio": round(statistics.median(ratio["seconds"]), 3),
        "ratio_min": round(ratio["seconds"][0], 3),
        "ratio_max": round(ratio["seconds"][-1], 3),
        "ratio_of_best": round(best["jax"] / min(best[kind] for kind in opponents), 3),
        "ratio_cpu_time": round(statistics.median(ratio["cpu_seconds"]), 3),
        "ms": {kind: round(1e3 * value, 2) for kind, value in median.items()},
        "best_ms": {kind: round(1e3 * value, 2) for kind, value in best.items()},
    }


def measure(name: str, *, batches: list[int] | None, repetitions: int, threads: int) -> list[dict[str, Any]]:
    """All rows of one network, printed as well."""
    comparison = COMPARISONS[name]
    load = [os.getloadavg()[0]]
    sides = {kind: Side(name, kind, threads) for kind in ("jax", *comparison.opponents)}
    try:
        peaks = [sides["jax"].ask("peak")["gflops"]]
        pairs = [(job, batch) for job in ("step", "inference") for batch in batches or comparison.batches]
        table = [compare(sides, comparison, job, batch, repetitions) for job, batch in pairs]
        peaks.append(sides["jax"].ask("peak")["gflops"])
        memory = {kind: round(side.ask("memory")["peak_rss_mb"]) for kind, side in sides.items()}
    finally:
        for side in sides.values():
            side.close()
    load.append(os.getloadavg()[0])
    settings = {
        "threads": threads,
        "load_average": load,
        "matmul_gflops": round(max(peaks), 1),
        "peak_rss_mb": memory,
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": git_state()["commit"],
    }
    for row in table:
        row["share_of_matmul_peak"] = round(row["jax_gflops"] / max(peaks), 3)
        print(
            f"{name:10} {row['job']:9} batch {row['batch']:3}: {row['ms']['jax']:7.1f} ms, {row['ratio']:.2f} x "
            f"{row['opponent']} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f}; best {row['ratio_of_best']:.2f}, "
            f"CPU time {row['ratio_cpu_time']:.2f}), {row['share_of_matmul_peak']:.0%} of the matmul peak, "
            f"compiled in {row['compile_s']:.1f} s"
        )
    return [{"network": name, "side": comparison.network.side, **row, **settings} for row in table]


def main() -> None:
    """Runs all comparisons and writes a file per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=COMPARISONS, default=list(COMPARISONS))
    parser.add_argument("--batches", type=int, nargs="+", help="instead of each network's own")
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"), help="folder to write to")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    for name in args.networks:
        rows = measure(name, batches=args.batches, repetitions=args.repetitions, threads=args.threads)
        path = args.results / COMPARISONS[name].file
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
