"""One side of `benchmarks/step.py`: a process that holds one framework and answers one JSON line per request.

    {"do": "prepare", "job": "step", "batch": 64}  ->  {"compile_s": ..., "memory": {...}}
    {"do": "run", "job": "step", "batch": 64, "steps": 4}  ->  {"seconds": per step, "cpu_seconds": per step}
    {"do": "peak"}  ->  {"gflops": of a float32 matrix product}       {"do": "memory"}  ->  {"peak_rss_mb": ...}

Called with the network, the side ("jax", or a form of torch) and the number of threads. The networks are those of
`networks.py`: DeepJSCC at 10 dB, the SwinJSCC ones at the SNRs and rates that their configurations draw per picture.
`step` is a training step with Adam on the mean squared error (of `swin_small`: its logarithm), `inference` the whole
chain over AWGN without gradients.
"""

import functools
import json
import os
import pathlib
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from networks import COMPARISONS

from semjax.parallel.cpu_flags import fast_cpu_flags, keep_freed_memory

SNR_DB, LEARNING_RATE = 10.0, 1e-3
DRAWN = {"swin_cifar": ((1.0, 13.0), (1.0, 1.0)), "swin_small": ((1.0, 13.0), (1 / 6, 1.0))}  # SNRs in dB, rates
MATRIX = 2048

Run = Callable[[], None]


def pictures(network: str, batch: int) -> np.ndarray:
    """Random pictures, NHWC."""
    side = COMPARISONS[network].network.side
    return np.random.default_rng(0).random((batch, side, side, 3), dtype=np.float32)


def jax_system(network: str) -> Any:
    """This package's own system: DeepJSCC in its published form, or that of a configuration."""
    from semjax.app import build, config
    from semjax.channels.awgn import AWGN
    from semjax.contracts import Phase
    from semjax.decoders.conv import ConvDecoder
    from semjax.encoders.conv import ConvEncoder
    from semjax.systems.jscc import deepjscc_public

    comparison = COMPARISONS[network]
    if comparison.config:
        registry, path = build.default_registry(), pathlib.Path(__file__).parents[1] / comparison.config
        return build.build(config.resolve(config.load(str(path)), registry), registry)
    phases = (Phase(name="train", snr_db=(SNR_DB, SNR_DB)),)
    cbr = comparison.network.features / 96
    return deepjscc_public(cbr=cbr, channel=AWGN(), phases=phases, encoder=ConvEncoder, decoder=ConvDecoder)


def jax_job(network: str, job: str, batch: int) -> tuple[Run, dict[str, Any]]:
    """This package's own training step, or its predict functions, compiled; one call runs one step to its end."""
    import jax
    import jax.numpy as jnp

    from semjax.parallel.mesh import make_mesh, replicated, shard_batch, state_sharding
    from semjax.training.optim import adamw
    from semjax.training.state import eval_variables, init_state
    from semjax.training.step import make_step
    from semjax.types import Batch, Public

    system, image = jax_system(network), pictures(network, batch)
    mesh = make_mesh()
    ones: Any = np.ones(batch, np.float32)
    public = Public(snr_db=SNR_DB * ones, rate=ones, height=image.shape[1], width=image.shape[2])
    own: dict[str, Any] = {"image": image, "id": np.arange(batch), "mask": np.ones(batch, bool)}
    rows = Batch(public=public, **own)
    data = shard_batch(mesh, rows)
    optimizer = adamw(schedule=lambda _: jnp.asarray(LEARNING_RATE))
    key = jax.device_put(jax.random.key(0), replicated(mesh))
    state = init_state(system, optimizer, key, jax.tree.map(jnp.asarray, rows))
    state = jax.device_put(state, state_sharding(mesh, state))
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    start = time.perf_counter()
    if job == "step":
        step: Any = make_step(system, system.PHASES[0], optimizer=optimizer)
        compiled = step.lower(state, {}, data, key).compile()
        box = [state]

        def run() -> None:
            box[0], metrics = compiled(box[0], {}, data, key)
            metrics["loss"].block_until_ready()
    else:
        compiled = jax.jit(functools.partial(_infer, system)).lower(eval_variables(state), data, key).compile()
        run = functools.partial(_finish, compiled, eval_variables(state), data, key)
    took = time.perf_counter() - start
    sizes = compiled.memory_analysis()
    names = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    memory = {name.replace("_size_in_bytes", "_mb"): round(getattr(sizes, name) / 1e6, 1) for name in names}
    return run, {"compile_s": round(took, 2), "memory": memory, "parameters": count}


def _infer(system: Any, variables: Any, data: Any, key: Any) -> Any:
    from semjax.systems.base import picture_keys, send

    ends = system.predict_fns()
    signal = ends["transmit"](variables, {}, data.image, data.public, {})
    received = send(system.channel, picture_keys(key, 0, data.id), signal, data.public.snr_db)
    return ends["receive"](variables, {}, received, data.public)


def _finish(compiled: Any, *args: Any) -> None:
    compiled(*args).block_until_ready()


def torch_job(network: str, job: str, batch: int, form: str) -> tuple[Run, dict[str, Any]]:
    """The twin in torch, in one of its forms."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    made = torch_deepjscc if network == "deepjscc" else functools.partial(torch_swin, network)
    twin, infer, loss = made(pictures(network, batch), form)
    adam = torch.optim.Adam(twin.parameters(), lr=LEARNING_RATE)

    def train() -> None:
        adam.zero_grad(set_to_none=True)
        loss().backward()
        adam.step()

    def without_gradients() -> None:
        with torch.inference_mode():
            infer()

    count = sum(value.numel() for value in twin.parameters())
    run = train if job == "step" else without_gradients
    return run, {"compile_s": 0.0, "memory": {}, "parameters": count}


def torch_deepjscc(image: np.ndarray, form: str) -> tuple[Any, Callable[[], Any], Callable[[], Any]]:
    """The twin, its picture and its loss, contiguous or channels last."""
    import torch
    from torch_deepjscc import Twin

    layout = {"torch": torch.contiguous_format, "torch_channels_last": torch.channels_last}[form]
    made: Any = Twin(COMPARISONS["deepjscc"].network.features // 2)
    twin = made.to(memory_format=layout)
    x = torch.from_numpy(image.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=layout)
    return twin, lambda: twin(x, SNR_DB), lambda: torch.nn.functional.mse_loss(twin(x, SNR_DB), x)


def torch_swin(network: str, image: np.ndarray, form: str) -> tuple[Any, Callable[[], Any], Callable[[], Any]]:
    """The twin, its picture and its loss, in either form of attention."""
    import torch
    from torch_swin import Known, fused_attention, plain_attention
    from torch_swinjscc import CodedTwin, PublicTwin

    attend = {"torch": plain_attention, "torch_fused_attention": fused_attention}[form]
    coded = network == "swin_small"
    net: Any = COMPARISONS[network].network
    twin: Any = (CodedTwin if coded else PublicTwin)(net, attend=attend)
    x, bounds = torch.from_numpy(image), DRAWN[network]
    told = Known(torch.full((len(image),), SNR_DB), torch.ones(len(image)))

    def loss() -> Any:
        known = Known(*(torch.empty(len(image)).uniform_(*limits) for limits in bounds))
        error = torch.mean((twin(x, known) - x) ** 2, dim=(1, 2, 3))
        return torch.mean(torch.log(error + 1e-5) if coded else error)

    return twin, lambda: twin(x, told), loss


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


def main(network: str, kind: str, threads: int) -> None:
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
            make = jax_job if kind == "jax" else functools.partial(torch_job, form=kind)
            jobs[ask["job"], ask["batch"]], answer = make(network, ask["job"], ask["batch"])
        elif ask["do"] == "run":
            answer = timed(jobs[ask["job"], ask["batch"]], ask["steps"])
        elif ask["do"] == "peak":
            answer = {"gflops": matmul_gflops()}
        elif ask["do"] == "memory":
            answer = {"peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
