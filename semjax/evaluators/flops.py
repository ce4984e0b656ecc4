"""FLOPs of a program as it is written: matrix products and convolutions, with loops counted as often as they run.

    product of [m, k] and [k, n]          2 m k n
    convolution                           2 · outputs · kernel height · kernel width · inputs per group

XLA's own count sees the body of a loop once, however often it runs, and what a CPU back end hands to a library not at
all; here a `scan` of n steps counts n times. A `while` whose number of turns depends on the data counts once and is
reported. Everything else (norms, activations, soft-max) is left out, as publications do; two FLOPs are one
multiply-accumulate. What no output depends on is not counted, nor is a parameter that only such parts read.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core

from semjax.types import Tree


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What a program costs.

    Attributes:
      flops: of matrix products and convolutions.
      open_loops: loops of unknown length, counted once.
      reads: for each leaf of the first argument, whether the outputs depend on it.
    """

    flops: float
    open_loops: int
    reads: tuple[bool, ...]


def count(function: Callable[..., Any], *arguments: Tree) -> Program:
    """Counts what `function(*arguments)` costs, by tracing it; nothing is run or compiled.

    Args:
      function: anything that can be traced.
      arguments: arrays, or shapes of them; what is read is said of the first one.
    """
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    found = _walk(jaxpr, [True] * len(jaxpr.outvars))
    leaves = len(jax.tree.leaves(arguments[0]))
    return Program(flops=found.flops, open_loops=found.open_loops, reads=tuple(found.reads[:leaves]))


def _walk(jaxpr: Any, needed: Sequence[bool]) -> Program:
    """Backwards through a jaxpr, along what its needed outputs depend on."""
    live = {v for v, wanted in zip(jaxpr.outvars, needed, strict=True) if wanted and isinstance(v, core.Var)}
    flops, open_loops = 0.0, 0
    for equation in reversed(jaxpr.eqns):
        wanted = [v in live for v in equation.outvars]
        if not any(wanted):
            continue
        cost = _equation(equation, wanted)
        flops, open_loops = flops + cost.flops, open_loops + cost.open_loops
        live |= {v for v, read in zip(equation.invars, cost.reads, strict=True) if read and isinstance(v, core.Var)}
    return Program(flops=flops, open_loops=open_loops, reads=tuple(v in live for v in jaxpr.invars))


def _equation(equation: Any, needed: Sequence[bool]) -> Program:
    name, parameters = equation.primitive.name, equation.params
    everything = (True,) * len(equation.invars)
    bodies = [inner for value in parameters.values() for inner in _jaxprs(value)]
    if not bodies:
        own = {"dot_general": _product, "conv_general_dilated": _convolution}.get(name)
        return Program(flops=own(equation) if own else 0.0, open_loops=0, reads=everything)
    if name == "scan":
        body = _walk(bodies[0], [True] * len(bodies[0].outvars))
        return dataclasses.replace(body, flops=body.flops * parameters["length"], reads=everything)
    if len(bodies) == 1 and len(bodies[0].invars) == len(equation.invars) and len(bodies[0].outvars) == len(needed):
        return _walk(bodies[0], needed)
    inner = [_walk(body, [True] * len(body.outvars)) for body in bodies]
    # Of a `cond` one branch runs: the dearest. Of a `while` both its test and its body do.
    flops = (max if name == "cond" else sum)(part.flops for part in inner)
    loops = sum(part.open_loops for part in inner) + (name == "while" and flops > 0)
    return Program(flops=flops, open_loops=loops, reads=everything)


def _jaxprs(value: Any) -> list[Any]:
    if isinstance(value, core.ClosedJaxpr):
        return [value.jaxpr]
    if isinstance(value, core.Jaxpr):
        return [value]
    return [inner for part in value for inner in _jaxprs(part)] if isinstance(value, tuple | list) else []


def _product(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)


def _convolution(equation: Any) -> float:
    kernel, numbers = equation.invars[1].aval.shape, equation.params["dimension_numbers"]
    per_output = math.prod(kernel) / kernel[numbers.rhs_spec[0]]
    # A dilated input is mostly zeros, which nobody multiplies.
    dilation = math.prod(equation.params["lhs_dilation"])
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * per_output / dilation
