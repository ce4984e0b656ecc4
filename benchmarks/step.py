"""DeepJSCC's training step and inference here against the same network in torch, interleaved in one run.

    python benchmarks/step.py --output docs/results/step_benchmark.json

Three processes (this package; torch; torch with channels last), each with the same two threads, wait for each other's
turn: A B C A B C ... One repetition of one side is a handful of steps. A ratio is taken within a repetition, so that
what else the machine does hits both sides; the median of the ratios is the result, the faster torch layout is the
opponent. Run it on an idle machine: torch's threads wait for each other actively and lose most under foreign load, so
ratios taken then flatter this package (`ratio_of_best` less so; `load_average` is recorded).

The share of the peak sets the analytic count of multiplications and additions (convolutions only; a step is three
forward passes less the gradient of the picture) against a 2048 x 2048 float32 matrix product measured in the same run.
This package runs as `train.py` makes it run: one virtual device per core and freed memory kept.
Needs torch (`pip install "semjax[bench]"`); about two minutes on two idle cores.
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

from semjax.training.log import git_state

KINDS = ("jax", "torch", "torch_channels_last")
TURN_S = 0.4  # one side's turn lasts about this long
KERNEL = 25
# (positions of the layer's small side, input channels, output channels) for 32 x 32 pictures and 16 features
LAYERS = (
    *((256, 3, 16), (64, 16, 32), (64, 32, 32), (64, 32, 32), (64, 32, 16)),
    *((64, 16, 32), (64, 32, 32), (64, 32, 32), (64, 32, 16), (256, 16, 3)),
)


class Side:
    """A worker process."""

    def __init__(self, kind: str, threads: int) -> None:
        worker = pathlib.Path(__file__).with_name("step_worker.py")
        command = [sys.executable, str(worker), kind, str(threads)]
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


def flops(job: str, batch: int) -> float:
    """Multiplications and additions of the convolutions."""
    forward = [2.0 * KERNEL * n * cin * cout for n, cin, cout in LAYERS]
    return batch * (3 * sum(forward) - forward[0] if job == "step" else sum(forward))


def compare(sides: dict[str, Side], job: str, batch: int, repetitions: int) -> dict[str, Any]:
    """One job at one batch size: medians per side, ratio within repetitions, compile time, memory by XLA."""
    made = {kind: side.ask("prepare", job=job, batch=batch) for kind, side in sides.items()}
    what = {"job": job, "batch": batch}
    for side in sides.values():
        side.ask("run", **what, steps=2)
    slowest = max(side.ask("run", **what, steps=2)["seconds"] for side in sides.values())
    steps = max(1, min(20, round(TURN_S / slowest)))
    turns = [{kind: side.ask("run", **what, steps=steps) for kind, side in sides.items()} for _ in range(repetitions)]
    median = {k: statistics.median(turn[k]["seconds"] for turn in turns) for k in KINDS}
    opponent = min(KINDS[1:], key=median.__getitem__)
    ratio = {
        name: sorted(turn["jax"][name] / turn[opponent][name] for turn in turns) for name in ("seconds", "cpu_seconds")
    }
    best = {kind: min(turn[kind]["seconds"] for turn in turns) for kind in KINDS}
    return {
        **what,
        "steps_per_repetition": steps,
        "repetitions": repetitions,
        "opponent": opponent,
        "ratio": round(statistics.median(ratio["seconds"]), 3),
        "ratio_min": round(ratio["seconds"][0], 3),
        "ratio_max": round(ratio["seconds"][-1], 3),
        "ratio_of_best": round(best["jax"] / min(best[kind] for kind in KINDS[1:]), 3),
        "ratio_cpu_time": round(statistics.median(ratio["cpu_seconds"]), 3),
        "ms": {kind: round(1e3 * value, 2) for kind, value in median.items()},
        "best_ms": {kind: round(1e3 * value, 2) for kind, value in best.items()},
        "gflop": round(flops(job, batch) / 1e9, 3),
        "jax_gflops": round(flops(job, batch) / median["jax"] / 1e9, 1),
        "compile_s": made["jax"]["compile_s"],
        "xla_memory_mb": made["jax"]["memory"],
    }


def main() -> None:
    """Runs all comparisons and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("docs/results/step_benchmark.json"))
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    load = [os.getloadavg()[0]]
    sides = {kind: Side(kind, args.threads) for kind in KINDS}
    try:
        peaks = [sides["jax"].ask("peak")["gflops"]]
        pairs = [(job, batch) for job in ("step", "inference") for batch in args.batches]
        table = [compare(sides, job, batch, args.repetitions) for job, batch in pairs]
        peaks.append(sides["jax"].ask("peak")["gflops"])
        memory = {kind: round(side.ask("memory")["peak_rss_mb"]) for kind, side in sides.items()}
    finally:
        for side in sides.values():
            side.close()
    for row in table:
        row["share_of_matmul_peak"] = round(row["jax_gflops"] / max(peaks), 3)
        print(
            f"{row['job']:9} batch {row['batch']:3}: {row['ms']['jax']:7.1f} ms, {row['ratio']:.2f} x "
            f"{row['opponent']} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f}; best {row['ratio_of_best']:.2f}, "
            f"CPU time {row['ratio_cpu_time']:.2f}), {row['share_of_matmul_peak']:.0%} of the matmul peak, "
            f"compiled in {row['compile_s']:.1f} s"
        )
    load.append(os.getloadavg()[0])
    settings = {
        "threads": args.threads,
        "load_average": load,
        "matmul_gflops": round(max(peaks), 1),
        "peak_rss_mb": memory,
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": git_state()["commit"],
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps([{**row, **settings} for row in table], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
