"""What SA-OOSC's shared linear map saves against a matrix per rate: time, operations, memory.

    python benchmarks/sa_oosc_cost.py --results docs/results          # some minutes on two idle cores

One system in two formulations that differ in two layers only (`per_rate.py`): tokens of variable length by one linear
map of all rates, a rate token and a prefix; or, as in NTSCC, by a matrix per rate that is gathered for each token. The
networks are those of `configs/sa_oosc.py:quick` at 16 rates, 128 dimensions at most and 192 features of the latents.
Jobs: the training step of the phase "joint", all of whose terms go through, with its state donated; and both ends
alone. A row per job and formulation, of `sa_oosc_cost.json`:

    gflop              per picture, matrix products and convolutions (`semjax.evaluators.flops`)
    gflop_xla          per picture, all that XLA counts in the compiled program
    temp_mb, peak_mb   memory of the whole batch by XLA's account, over all devices: what the program needs beside its
                       arguments and results, and with them
    ms                 per picture, median over the repetitions; pictures_per_s = 1000 / ms
    time_ratio         the time over that of the shared map: the median, least and largest ratio within a repetition
    temp_ratio         temp_mb over that of the shared map

Both formulations wait for each other's turn, A B A B ..., so that what else the machine does hits both; `load_average`
says how idle it was. The program runs as `train.py` runs: one virtual device per core, the batch split over them.
"""

import argparse
import dataclasses
import datetime
import functools
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from per_rate import per_rate

from semjax.app import build, config
from semjax.data.loader import eval_batches
from semjax.data.sources import ScenesSource
from semjax.evaluators import flops, results
from semjax.importance.allocate import RateSet
from semjax.parallel.cpu_flags import fast_cpu_flags, keep_freed_memory
from semjax.parallel.mesh import make_mesh, replicated, shard_batch
from semjax.scenes.scenarios import scenario_names
from semjax.systems.base import picture_keys, send
from semjax.training.log import git_state
from semjax.training.optim import adamw
from semjax.training.state import init_state
from semjax.training.step import make_step
from semjax.types import Batch, Image, Public, Received, Signal, Tree

FILE = "sa_oosc_cost.json"
CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "sa_oosc.py"
FEATURES = 192
PHASE = "joint"
SHARED, PER_RATE = "shared map", "matrix per rate"
FORMS: dict[str, Callable[[Any], Any]] = {SHARED: lambda system: system, PER_RATE: per_rate}
JOBS = ("train step", "transmit", "receive")
PARAMS = ("['params']", ".params")
TURN_S = 0.4  # one side's turn lasts about this long, or one call
FIELDS = (
    *("system", "variant", "end", "height", "width", "batch", "levels", "longest", "features", "blocks_width"),
    *("device", "devices", "parameters", "gflop", "open_loops", "gflop_xla", "temp_mb", "peak_mb", "temp_ratio"),
    *("ms", "ms_low", "ms_high", "pictures_per_s", "time_ratio", "time_ratio_low", "time_ratio_high"),
    *("repetitions", "calls_per_repetition", "compile_s", "load_average", "date", "commit", "config_hash"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """A compiled program: one call runs it to its end; what it costs without being run."""

    run: Callable[[], Any]
    facts: Mapping[str, Any]


def configured(width: int | None) -> Any:
    """The configuration; `width` of the blocks, its own if None."""
    options: list[Any] = [("system.features", FEATURES), ("system.levels", RateSet().levels)]
    options += [] if width is None else [("system.width", width)]
    return config.resolve(config.load(f"{CONFIG}:quick"), build.default_registry(), options)


def pictures(size: int, count: int) -> Batch:
    """Scenes with their labels, scenarios in turn."""
    source = ScenesSource(size=size, split="train", count=count, truth=True)
    made = build.to_batch(next(iter(eval_batches(source, batch_size=count))))
    scenario: Any = (np.arange(count) % len(scenario_names())).astype(np.int32)
    return dataclasses.replace(made, public=dataclasses.replace(made.public, scenario=scenario))


def jobs(system: Any, batch: Batch) -> dict[str, Job]:
    """The training step and both ends of one formulation, compiled."""
    mesh = make_mesh()
    data, key = shard_batch(mesh, batch), jax.device_put(jax.random.key(0), replicated(mesh))
    optimizer = adamw(schedule=lambda _: jnp.asarray(1e-4))
    state = init_state(system, optimizer, jax.random.key(0), jax.tree.map(jnp.asarray, batch))
    state = jax.device_put(state, replicated(mesh))
    variables = jax.tree.map(jnp.copy, {"params": state.params["codec"], **state.collections})
    phase = next(phase for phase in system.PHASES if phase.name == PHASE)
    step: Any = make_step(system, phase, optimizer=optimizer)
    box = [state]

    def call(compiled: Any) -> Any:
        box[0], metrics = compiled(box[0], {}, data, key)
        return metrics

    rows = len(batch.id)
    return {"train step": job(step, (state, {}, data, key), call=call, pictures=rows), **ends(system, variables, data)}


def ends(system: Any, variables: Tree, data: Batch) -> dict[str, Job]:
    """Both ends; what is received came over the system's channel."""
    fns = system.predict_fns()

    def transmit(variables: Tree, image: Image, public: Public) -> Signal:
        return dataclasses.replace(fns["transmit"](variables, {}, image, public, {}), relaxed={}, est_bits={}, aux={})

    def receive(variables: Tree, received: Received, public: Public) -> Image:
        return fns["receive"](variables, {}, received, public)

    @jax.jit
    def over(signal: Signal, data: Batch) -> Received:
        received = send(system.channel, picture_keys(jax.random.key(1), 0, data.id), signal, data.public.snr_db)
        return dataclasses.replace(received, uses={})

    sending, rows = (variables, data.image, data.public), len(data.id)
    made = {"transmit": job(jax.jit(transmit), sending, pictures=rows)}
    receiving = (variables, over(made["transmit"].run(), data), data.public)
    return {**made, "receive": job(jax.jit(receive), receiving, pictures=rows)}


def job(function: Any, arguments: tuple[Any, ...], *, pictures: int, call: Callable[[Any], Any] | None = None) -> Job:
    """Compiles a program and reads off what it costs; `call` calls it where its arguments change from call to call."""
    program = flops.count(function, *arguments)
    start = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    took = time.perf_counter() - start
    devices, memory = len(jax.devices()), compiled.memory_analysis()
    outside = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    # A program split over devices is one device's share of it.
    facts = {
        "parameters": _parameters(arguments[0], program.reads),
        "gflop": program.flops / pictures / 1e9,
        "open_loops": program.open_loops,
        "gflop_xla": float(compiled.cost_analysis()["flops"]) * devices / pictures / 1e9,
        "temp_mb": memory.temp_size_in_bytes * devices / 1e6,
        "peak_mb": (memory.temp_size_in_bytes + outside) * devices / 1e6,
        "compile_s": round(took, 2),
    }
    return Job(run=functools.partial(_finished, call or _applied(arguments), compiled), facts=facts)


def _parameters(first: Tree, reads: tuple[bool, ...]) -> int:
    """How many a program reads of its first argument: variables, or a state."""
    leaves = zip(jax.tree_util.tree_leaves_with_path(first), reads, strict=True)
    return sum(leaf.size for (path, leaf), read in leaves if read and jax.tree_util.keystr(path[:1]) in PARAMS)


def _applied(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    return lambda compiled: compiled(*arguments)


def _finished(call: Callable[[Any], Any], compiled: Any) -> Any:
    return jax.block_until_ready(call(compiled))


def seconds(run: Callable[[], Any], calls: int) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def interleaved(sides: Mapping[str, Job], *, repeats: int) -> tuple[dict[str, list[float]], int]:
    """Seconds per call of each side in each repetition, and calls per repetition."""
    for side in sides.values():
        side.run()
    calls = max(1, round(TURN_S / max(seconds(side.run, 1) for side in sides.values())))
    turns = [{form: seconds(side.run, calls) for form, side in sides.items()} for _ in range(repeats)]
    return {form: [turn[form] for turn in turns] for form in sides}, calls


def measured(sides: Mapping[str, Job], *, repeats: int, pictures: int) -> dict[str, dict[str, Any]]:
    """What one job costs, by formulation."""
    taken, calls = interleaved(sides, repeats=repeats)
    found = {}
    for form, side in sides.items():
        ms = [1e3 * value / pictures for value in taken[form]]
        ratios = [a / b for a, b in zip(taken[form], taken[SHARED], strict=True)]
        found[form] = {
            **side.facts,
            "temp_ratio": side.facts["temp_mb"] / sides[SHARED].facts["temp_mb"],
            "ms": statistics.median(ms),
            "ms_low": min(ms),
            "ms_high": max(ms),
            "pictures_per_s": 1e3 / statistics.median(ms),
            "time_ratio": statistics.median(ratios),
            "time_ratio_low": min(ratios),
            "time_ratio_high": max(ratios),
            "repetitions": repeats,
            "calls_per_repetition": calls,
        }
    return found


def rows(*, size: int, batch: int, repeats: int, width: int | None) -> list[results.Row]:
    """All rows, printed as they come."""
    cfg, load = configured(width), os.getloadavg()[0]
    data, registry = pictures(size, batch), build.default_registry()
    made = {form: jobs(of(build.build(cfg, registry)), data) for form, of in FORMS.items()}
    about = {
        "system": "sa_oosc",
        "height": size,
        "width": size,
        "batch": batch,
        "levels": len(cfg.system.levels),
        "longest": max(cfg.system.levels),
        "features": cfg.system.features,
        "blocks_width": cfg.system.width,
        "device": jax.devices()[0].device_kind,
        "devices": len(jax.devices()),
        "load_average": round(load, 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": git_state()["commit"],
        "config_hash": config.config_hash(cfg),
    }
    found = []
    for end in JOBS:
        sides = {form: own[end] for form, own in made.items()}
        for form, values in measured(sides, repeats=repeats, pictures=batch).items():
            found.append({**about, "variant": form, "end": end, **values})
            print(told(found[-1]), flush=True)
    return found


def told(row: results.Row) -> str:
    """A row for a terminal."""
    return (
        f"{row['end']:10} {row['variant']:15} {row['ms']:8.1f} ms and {row['gflop']:6.2f} GFLOP per picture "
        f"({row['gflop_xla']:.2f} by XLA), {row['temp_mb']:8.1f} MB per batch, {row['parameters']:,} parameters; "
        f"x {row['time_ratio']:.2f} time ({row['time_ratio_low']:.2f} to {row['time_ratio_high']:.2f}), "
        f"x {row['temp_ratio']:.2f} memory"
    )


def main() -> None:
    """Measures and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, required=True, help=f"folder for {FILE}")
    parser.add_argument("--size", type=int, default=256, help="pixels of each side (default 256)")
    parser.add_argument("--batch", type=int, default=8, help="pictures per step (default 8)")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each formulation (default 15)")
    parser.add_argument("--width", type=int, help="of the blocks, hence of the matrices (default: the configuration's)")
    flags = parser.parse_args()
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {fast_cpu_flags(flags.batch)}".strip()
    keep_freed_memory()
    found = rows(size=flags.size, batch=flags.batch, repeats=flags.repeats, width=flags.width)
    print(f"written: {results.save(found, flags.results / FILE, fields=FIELDS)}")


if __name__ == "__main__":
    main()
