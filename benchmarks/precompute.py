"""Precompute, measured: throughput, interrupted and shared runs compared byte by byte, and the time to read a record.

    python benchmarks/precompute.py --work DIR --results docs/results        (some minutes on two idle cores)
    python benchmarks/precompute.py --work DIR --results OTHER --count 400   (a smoke run)

For the teachers `oracle` and `reader`, over 10,000 scenes of 64 x 64, the command `python -m semjax.teachers run` is
run in three ways, each into a folder of its own under DIR:

whole    in one process, in one go
killed   in one process, ended by SIGKILL at a random moment of its work, and run again
two      as two processes (`--processes 2`)

All files of the three must have the same bytes. Then records of each whole store are read at random places. A way that
is done is noted in DIR/done.json and not run again; the same command goes on. The result is precompute.json, a row per
teacher: pictures per second of one process and of two together (starting aside), shards that the killed run had done
and that were made anew, whether all bytes are the same, milliseconds to read a record, bytes of one.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

from semjax.store.shards import Store
from semjax.training.log import git_state

TEACHERS = ("oracle", "reader")
WAYS = ("whole", "killed", "two")
READS = 5000
MADE = re.compile(r"(\d+) shards computed, (\d+) were there; (\d+) pictures in ([\d.]+) s")


def command(teacher: str, out: pathlib.Path, flags: argparse.Namespace) -> list[str]:
    """The command that makes a store."""
    scenes = ["--album", "scenes", "--split", "train", "--size", "64", "--seed", "0", "--count", str(flags.count)]
    told = [*scenes, "--teacher", teacher, "--shards", str(flags.shards), "--out", str(out)]
    return [sys.executable, "-m", "semjax.teachers", "run", *told]


def run(argv: list[str]) -> dict[str, Any]:
    """Runs a command to its end; what it and its processes made, and the seconds by the clock, start included."""
    started = time.perf_counter()
    said = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
    made = [[float(number) for number in found] for found in MADE.findall(said)]
    return {
        "seconds": time.perf_counter() - started,
        "working_seconds": max(seconds for *_, seconds in made),
        "shards_computed": int(sum(computed for computed, *_ in made)),
        "shards_there": int(sum(there for _, there, *_ in made)),
        "pictures": int(sum(pictures for _, _, pictures, _ in made)),
    }


def killed(argv: list[str], out: pathlib.Path, *, seed: int, working_s: float) -> dict[str, Any]:
    """Ends the command at a random moment after its first shard, and runs it again."""
    shutil.rmtree(out, ignore_errors=True)
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    while not list(out.rglob("*.manifest.json")):
        if running.poll() is not None:
            raise RuntimeError("the command ended before it could be killed")
        time.sleep(0.01)
    moment = float(np.random.default_rng(seed).uniform(0, 0.8 * working_s))
    time.sleep(moment)
    running.send_signal(signal.SIGKILL)
    running.wait()
    partial = len(list(out.rglob("*.partial")))
    return {"killed_after_s": moment, "half_written_files": partial, **run(argv)}


def digests(out: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every file of the one store under a folder."""
    (folder,) = {path.parent for path in out.rglob("teacher.json")}
    if not Store(folder).complete:
        raise RuntimeError(f"{folder} is not complete")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def reading(out: pathlib.Path) -> dict[str, float]:
    """Milliseconds to read and unpack a record at a random place."""
    (about,) = out.rglob("teacher.json")
    store = Store(about.parent)
    for shard in range(store.about.shards):  # opens every shard once
        store[shard * len(store) // store.about.shards]
    times = []
    for index in np.random.default_rng(0).integers(0, len(store), READS).tolist():
        started = time.perf_counter()
        store[index]
        times.append(1e3 * (time.perf_counter() - started))
    size = sum(path.stat().st_size for path in about.parent.iterdir())
    median, p99 = np.percentile(times, [50, 99])
    return {"median_ms": float(median), "p99_ms": float(p99), "bytes_per_record": size / len(store)}


def measure(teacher: str, flags: argparse.Namespace, done: dict[str, Any], note: pathlib.Path) -> None:
    """Runs what is not done yet of one teacher, and notes it."""
    for number, way in enumerate(WAYS):
        place, out = f"{teacher} {way}", flags.work / way / teacher
        if place in done:
            continue
        shutil.rmtree(out, ignore_errors=True)
        argv = command(teacher, out, flags)
        if way == "killed":
            working_s = done[f"{teacher} whole"]["working_seconds"]
            done[place] = killed(argv, out, seed=flags.seed + number, working_s=working_s)
        else:
            done[place] = run([*argv, *(("--processes", "2") if way == "two" else ())])
        done[place]["same_bytes_as_whole"] = digests(out) == digests(flags.work / "whole" / teacher)
        note.write_text(json.dumps(done, indent=1) + "\n")
        print(place, done[place], flush=True)


def figures(teacher: str, flags: argparse.Namespace, done: dict[str, Any]) -> dict[str, Any]:
    """The figures of one teacher, for its row."""
    whole, again, two = (done[f"{teacher} {way}"] for way in WAYS)
    return {
        "images_per_s": whole["pictures"] / whole["working_seconds"],
        "images_per_s_two": two["pictures"] / two["working_seconds"],
        "shards_kept": again["shards_there"],
        "shards_anew": again["shards_computed"],
        "half_written": again["half_written_files"],
        "same_bytes": "yes" if again["same_bytes_as_whole"] and two["same_bytes_as_whole"] else "NO",
        **reading(flags.work / "whole" / teacher),
    }


def main() -> int:
    """Measures and writes precompute.json; 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the stores; kept")
    parser.add_argument("--results", type=pathlib.Path, required=True, help="folder for precompute.json")
    parser.add_argument("--count", type=int, default=10_000, help="scenes (default 10000)")
    parser.add_argument("--shards", type=int, default=40, help="files per store (default 40)")
    parser.add_argument("--seed", type=int, default=0, help="of the moment of the kill")
    flags = parser.parse_args()
    flags.work.mkdir(parents=True, exist_ok=True)
    note = flags.work / "done.json"
    done: dict[str, Any] = json.loads(note.read_text()) if note.is_file() else {}
    settings = {"count": flags.count, "shards": flags.shards}
    if done.setdefault("settings", settings) != settings:
        raise SystemExit(f"error: {note} is of {done['settings']}; name another --work")
    commit = done.setdefault("commit", git_state()["commit"][:12])  # of the timings, whenever the rest is done
    load = os.getloadavg()[0]
    for teacher in TEACHERS:
        measure(teacher, flags, done, note)
    about = {
        "dataset": "scenes",
        "split": "train",
        "n_images": flags.count,
        "shards": flags.shards,
        "device": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_average": round(load, 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit,
    }
    rows = [{"system": teacher, **figures(teacher, flags, done), **about} for teacher in TEACHERS]
    flags.results.mkdir(parents=True, exist_ok=True)
    told = ",\n".join("  " + json.dumps(row) for row in rows)
    (flags.results / "precompute.json").write_text(f"[\n{told}\n]\n")
    same = all(done[f"{teacher} {way}"]["same_bytes_as_whole"] for teacher in TEACHERS for way in WAYS)
    print("all bytes are the same" if same else "error: bytes differ")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
