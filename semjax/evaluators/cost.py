"""What each end costs: parameters, FLOPs and milliseconds per picture.

    ms per picture = median over repetitions of the time of one compiled call, until its result is there, / batch

The ends are the compiled functions of a chain: from pictures to symbols and integers, and back. Entropy coding on the
host and the channel belong to neither. FLOPs are those of `evaluators.flops`; beside them stands XLA's own count for
the compiled program, which takes the body of each of its `loops` once and knows only the operations it sees;
`open_loops`, of unknown length, count once in both. A time belongs to the device it was taken on, which rows name.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.contracts import Channel
from semjax.evaluators import flops
from semjax.evaluators.base import Chain, public_of
from semjax.evaluators.results import Row
from semjax.types import Tree

FILE = "cost.json"
FIELDS = (
    *("system", "variant", "checkpoint", "commit", "config_hash", "end", "height", "width", "rate", "batch", "device"),
    *("parameters", "gflop", "open_loops", "gflop_xla", "loops", "ms", "ms_low", "ms_high", "repetitions"),
)
PARAMS = jax.tree_util.DictKey("params")
REPETITIONS = 7
PATIENCE = 3.0
"""Seconds after which an end that is slow is not called again; it is called twice at least."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of one call in milliseconds: the median, the shortest, the longest, and how many there were."""

    median: float
    low: float
    high: float
    repetitions: int


def cost(
    compiled: Chain,
    variables: Tree,
    frozen: Tree,
    *,
    batch: Mapping[str, Any],
    channel: Channel,
    snr_db: float,
    rate: float,
) -> list[Row]:
    """Measures both ends on one batch.

    Args:
      compiled: the chain of a system.
      variables: what its predict functions apply.
      frozen: frozen parameters.
      batch: "image" and "id", as a loader gives them; all its rows are worked on, also those that fill it up.
      channel: what the receiver's input comes over.
      snr_db: average Es/N0 in dB.
      rate: the rate token.

    Returns:
      A row per end, with the fields of `FIELDS` that are not the origin's.
    """
    variables, frozen = _counted(variables, frozen)
    image, public = jnp.asarray(batch["image"]), public_of(batch, snr_db=snr_db, rate=rate)
    sent = compiled.encode(variables, frozen, image=image, public=public)
    received = compiled.deliver(
        sent, channel=channel, key=jax.random.key(0), draw=0, ids=np.asarray(batch["id"]), snr_db=public.snr_db
    )
    shown = dataclasses.replace(received, uses={})
    ends = {
        "transmit": (compiled.transmit, (variables, frozen, image, public, {})),
        "receive": (compiled.receive, (variables, frozen, shown, public)),
    }
    count, height, width, _ = image.shape
    where = {"height": height, "width": width, "rate": rate, "batch": count, "device": jax.devices()[0].device_kind}
    return [{"end": end, **where, **_end(function, arguments, count)} for end, (function, arguments) in ends.items()]


def _counted(variables: Tree, frozen: Tree) -> tuple[Tree, Tree]:
    """A frozen tower among the parameters: whoever runs the system has to hold it, too."""
    if "tower" not in frozen:
        return variables, frozen
    others = {name: part for name, part in frozen.items() if name != "tower"}
    return {**variables, "params": {**variables["params"], **frozen["tower"]}}, others


def _end(function: Callable[..., Any], arguments: tuple[Any, ...], pictures: int) -> Row:
    program = flops.count(function, *arguments)
    leaves = jax.tree_util.tree_leaves_with_path(arguments[0])
    read = [leaf for (path, leaf), reads in zip(leaves, program.reads, strict=True) if reads and path[0] == PARAMS]
    # Of the call's own cache; a system that works on the host is compiled to be counted alone.
    lowered: Any = function if hasattr(function, "lower") else jax.jit(function)
    compiled: Any = lowered.lower(*arguments).compile()
    timing = measure(lambda: jax.block_until_ready(function(*arguments)))
    return {
        "parameters": sum(math.prod(leaf.shape) for leaf in read),
        "gflop": program.flops / pictures / 1e9,
        "open_loops": program.open_loops,
        "gflop_xla": float((compiled.cost_analysis() or {}).get("flops", math.nan)) / pictures / 1e9,
        "loops": compiled.as_text().count(" while("),
        "ms": timing.median / pictures,
        "ms_low": timing.low / pictures,
        "ms_high": timing.high / pictures,
        "repetitions": timing.repetitions,
    }


def measure(call: Callable[[], object]) -> Timing:
    """Times `call`, which returns when its work is done, after one call that does not count."""
    call()
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < REPETITIONS and sum(taken) < PATIENCE):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    low, middle, high = np.percentile(np.array(taken) * 1e3, [0, 50, 100])
    return Timing(median=float(middle), low=float(low), high=float(high), repetitions=len(taken))
