"""The LDPC decoder beside Sionna's: block error rates and throughput.

    pip install -c constraints.txt -e ".[bench]"
    python benchmarks/ldpc.py bler --results docs/results         (an hour on one core; the same command goes on)
    python benchmarks/ldpc.py throughput --results docs/results   (on an idle machine, about ten minutes)
    python benchmarks/ldpc.py summary --results docs/results      (what the files say; measures nothing)

QPSK over AWGN, random messages, exact llr. "Same algorithm" is sum-product, or min-sum with offset 0.5, flooding, 20
iterations, messages clipped at 20. Each implementation runs in a process of its own (`ldpc_worker.py`).

bler         ldpc_bler.json          (512, 1024) at 1.0, 1.5, 2.0 dB, and the same llr decoded by both
             ldpc_schedules.json     the layered decoders at the same points
             ldpc_points.json        block errors of other codes, three points each around a block error rate of 1e-2
             ldpc_gap.json           Eb/N0 there, beside Sionna's and, after 50 iterations, the normal approximation
throughput   ldpc_throughput.json    information Mbit/s on two cores; turns are taken in one run, ratios within a turn

What a file holds is not measured again: remove rows to measure them anew. `--quick` is a smoke run, with few blocks and
repetitions, into a folder of its own. `throughput --without-sionna` measures this package alone, on whatever
accelerator jax finds.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Any

import ldpc_bler
import ldpc_summary
import ldpc_throughput

OURS, THEIRS = "semjax", "sionna"


class Worker:
    """A process that holds one implementation."""

    def __init__(self, side: str, threads: int) -> None:
        self.side, path = side, pathlib.Path(__file__).with_name("ldpc_worker.py")
        env = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, str(path), side, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, **told: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer.

        Raises:
          RuntimeError: with what failed on that side.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                said = json.loads(line.removeprefix("ANSWER "))
                if "error" in said:
                    raise RuntimeError(said["error"])
                return said
        raise SystemExit(f"a worker ended, its message is above; it was asked {told}")

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def machine() -> str:
    """The kind of machine, of a run on CPUs."""
    return f"{len(os.sched_getaffinity(0))} CPU cores, {platform.machine()}"


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["bler", "throughput", "summary"])
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"), help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="a smoke run, into a new folder")
    parser.add_argument("--blocks", type=int, default=10_000, help="of (512, 1024); Sionna half, other codes a fifth")
    parser.add_argument("--threads", type=int, default=2, help="of each implementation, in throughput")
    parser.add_argument("--batch", type=int, default=1024, help="code words that this package decodes at once")
    parser.add_argument("--sionna_batches", type=int, nargs="+", default=[50, 200, 500, 1000])
    parser.add_argument("--repetitions", type=int, default=9, help="turns in throughput")
    parser.add_argument("--turn_s", type=float, default=2.0, help="how long a turn lasts at least")
    parser.add_argument("--ebn0_db", type=float, default=2.0, help="in throughput; early stopping depends on it")
    parser.add_argument("--without-sionna", action="store_true", help="throughput of this package only")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Measures what was asked for, and says what the files hold."""
    flags = options().parse_args(argv)
    if flags.quick:
        flags.results = pathlib.Path(tempfile.mkdtemp(prefix="ldpc_quick_"))
        flags.blocks, flags.sionna_batches, flags.repetitions, flags.turn_s = 500, [20], 2, 0.1
        flags.batch = 128
        print(f"a smoke run: its files go to {flags.results}")
    threads = flags.threads if flags.command == "throughput" else 1
    sides = [] if flags.command == "summary" else [OURS] if flags.without_sionna else [OURS, THEIRS]
    workers = [Worker(side, threads) for side in sides]
    try:
        if flags.command == "throughput":
            ldpc_throughput.measure(flags, *workers, machine=machine())
        elif flags.command == "bler":
            ldpc_bler.waterfall(flags, *workers, machine=machine())
            ldpc_bler.schedules(flags, workers[0], machine=machine())
            ldpc_bler.gaps(flags, *workers, machine=machine())
    finally:
        for worker in workers:
            worker.close()
    print("\n".join(ldpc_summary.verdicts(flags.results)))


if __name__ == "__main__":
    main()
