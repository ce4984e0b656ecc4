"""One side of `benchmarks/step.py`: a process that holds one framework and answers one JSON line per request.

    {"do": "prepare", "job": "step", "batch": 64}  ->  {"compile_s": ..., "memory": {...}}
    {"do": "run", "job": "step", "batch": 64, "steps": 4}  ->  {"seconds": per step, "cpu_seconds": per step}
    {"do": "peak"}  ->  {"gflops": of a float32 matrix product}       {"do": "memory"}  ->  {"peak_rss_mb": ...}

The network is the five-layer DeepJSCC at 16 real features per position, 32x32 pictures, AWGN at 10 dB; `step` is a
training step with Adam on the mean squared error, `inference` the whole chain without gradients.
"""

import functools
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from semjax.parallel.cpu_flags import fast_cpu_flags, keep_freed_memory

SIDE, FEATURES, SNR_DB, LEARNING_RATE = 32, 16, 10.0, 1e-3
MATRIX = 2048

Run = Callable[[], None]


def pictures(batch: int) -> np.ndarray:
    """Random pictures, NHWC."""
    return np.random.default_rng(0).random((batch, SIDE, SIDE, 3), dtype=np.float32)


def jax_job(job: str, batch: int) -> tuple[Run, dict[str, Any]]:
    """This package's own training step, or its predict functions, compiled; one call runs one step to its end."""
    import jax
    import jax.numpy as jnp

    from semjax.channels.awgn import AWGN
    from semjax.contracts import Phase
    from semjax.decoders.conv import ConvDecoder
    from semjax.encoders.conv import ConvEncoder
    from semjax.parallel.mesh import make_mesh, replicated, shard_batch, state_sharding
    from semjax.systems.base import picture_keys, send
    from semjax.systems.jscc import deepjscc_public
    from semjax.training.optim import adamw
    from semjax.training.state import eval_variables, init_state
    from semjax.training.step import make_step
    from semjax.types import Batch, Public

    phase = Phase(name="train", snr_db=(SNR_DB, SNR_DB))
    system = deepjscc_public(
        cbr=FEATURES / 96, channel=AWGN(), phases=(phase,), encoder=ConvEncoder, decoder=ConvDecoder
    )
    mesh = make_mesh()
    ones: Any = np.ones(batch, np.float32)
    public = Public(snr_db=SNR_DB * ones, rate=ones, height=SIDE, width=SIDE)
    own: dict[str, Any] = {"image": pictures(batch), "id": np.arange(batch), "mask": np.ones(batch, bool)}
    rows = Batch(public=public, **own)
    data = shard_batch(mesh, rows)
    optimizer = adamw(schedule=lambda _: jnp.asarray(LEARNING_RATE))
    key = jax.device_put(jax.random.key(0), replicated(mesh))
    state = init_state(system, optimizer, key, jax.tree.map(jnp.asarray, rows))
    state = jax.device_put(state, state_sharding(mesh, state))
    ends = system.predict_fns()

    def infer(variables: Any, data: Batch, key: Any) -> Any:
        signal = ends["transmit"](variables, {}, data.image, data.public, {})
        received = send(system.channel, picture_keys(key, 0, data.id), signal, data.public.snr_db)
        return ends["receive"](variables, {}, received, data.public)

    start = time.perf_counter()
    if job == "step":
        step: Any = make_step(system, phase, optimizer=optimizer)
        compiled = step.lower(state, {}, data, key).compile()
        box = [state]

        def run() -> None:
            box[0], metrics = compiled(box[0], {}, data, key)
            metrics["loss"].block_until_ready()
    else:
        compiled = jax.jit(infer).lower(eval_variables(state), data, key).compile()
        run = functools.partial(_finish, compiled, eval_variables(state), data, key)
    took = time.perf_counter() - start
    sizes = compiled.memory_analysis()
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    memory = {name.replace("_size_in_bytes", "_mb"): round(getattr(sizes, name) / 1e6, 1) for name in names}
    return run, {"compile_s": round(took, 2), "memory": memory}


def _finish(compiled: Any, *args: Any) -> None:
    compiled(*args).block_until_ready()


def torch_job(job: str, batch: int, layout: str) -> tuple[Run, dict[str, Any]]:
    """The twin in torch, in either memory layout."""
    import torch
    from torch_deepjscc import Twin

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    chosen = {"torch": torch.contiguous_format, "torch_channels_last": torch.channels_last}[layout]
    twin: Any = Twin(FEATURES // 2)
    twin = twin.to(memory_format=chosen)
    image = torch.from_numpy(pictures(batch).transpose(0, 3, 1, 2).copy()).contiguous(memory_format=chosen)
    adam = torch.optim.Adam(twin.parameters(), lr=LEARNING_RATE)

    def train() -> None:
        adam.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(twin(image, SNR_DB), image).backward()
        adam.step()

    def infer() -> None:
        with torch.inference_mode():
            twin(image, SNR_DB)

    return (train if job == "step" else infer), {"compile_s": 0.0, "memory": {}}


def matmul_gflops() -> float:
    """The best of ten products of two float32 matrices in jax."""
    import jax
    import jax.numpy as jnp

    a = jnp.asarray(np.random.default_rng(0).standard_normal((MATRIX, MATRIX), dtype=np.float32))
    product = jax.jit(jnp.matmul)
    spent = []
    for _ in range(11):
        start = time.perf_counter()
        product(a, a).block_until_ready()
        spent.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / min(spent[1:]) / 1e9


def timed(run: Run, steps: int) -> dict[str, float]:
    """Wall and CPU time per step."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        run()
    return {"seconds": (time.perf_counter() - wall) / steps, "cpu_seconds": (time.process_time() - cpu) / steps}


def main(kind: str, threads: int) -> None:
    """Answers requests until the input ends."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    keep_freed_memory()  # a setting of the C library, so both sides get it
    if kind == "jax":
        os.environ["JAX_PLATFORMS"] = "cpu"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {fast_cpu_flags()}".strip()
    jobs: dict[tuple[str, int], Run] = {}
    for line in sys.stdin:
        ask = json.loads(line)
        answer: dict[str, Any] = {}
        if ask["do"] == "prepare":
            made = jax_job(ask["job"], ask["batch"]) if kind == "jax" else torch_job(ask["job"], ask["batch"], kind)
            jobs[ask["job"], ask["batch"]], answer = made
        elif ask["do"] == "run":
            answer = timed(jobs[ask["job"], ask["batch"]], ask["steps"])
        elif ask["do"] == "peak":
            answer = {"gflops": matmul_gflops()}
        elif ask["do"] == "memory":
            answer = {"peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
