"""FLOPs against formulas, a scan against its unrolled form, and the rows that both ends give."""

import dataclasses
import itertools
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels import AWGN
from semjax.evaluators import cost, flops, results
from semjax.evaluators.base import chain
from semjax.link.transport import ideal_link
from semjax.types import Image, Public, Received, Signal

W, X = jnp.ones((16, 16)), jnp.ones((4, 16))
PRODUCT = 2 * 4 * 16 * 16


def scanned(w: Any, x: Any) -> Any:
    return jax.lax.scan(lambda c, _: (jnp.tanh(c @ w), None), x, None, length=7)[0]


def unrolled(w: Any, x: Any) -> Any:
    for _ in range(7):
        x = jnp.tanh(x @ w)
    return x


def test_a_scan_counts_as_often_as_it_runs_and_xla_counts_its_body_once() -> None:
    assert flops.count(scanned, W, X).flops == flops.count(unrolled, W, X).flops == 7 * PRODUCT
    counted = [jax.jit(f).lower(W, X).compile().cost_analysis()["flops"] for f in (scanned, unrolled)]
    assert counted[0] < 2 * PRODUCT
    assert counted[1] == pytest.approx(7 * PRODUCT, rel=0.1)


def test_a_loop_of_unknown_length_counts_once_and_is_reported() -> None:
    def until(w: Any, x: Any) -> Any:
        return jax.lax.while_loop(lambda c: jnp.sum(c) > 1, lambda c: c @ w, x)

    assert dataclasses.astuple(flops.count(until, W, X))[:2] == (PRODUCT, 1)


@pytest.mark.parametrize(
    ("stride", "groups", "dilation", "expected"),
    [
        (1, 1, 1, 2 * 8 * 8 * 6 * (3 * 3 * 4)),
        (2, 1, 1, 2 * 4 * 4 * 6 * (3 * 3 * 4)),
        (1, 2, 1, 2 * 8 * 8 * 6 * (3 * 3 * 2)),
        (1, 1, 2, 2 * 15 * 15 * 6 * (3 * 3 * 4) / 4),
    ],
)
def test_a_convolution_is_its_formula(stride: int, groups: int, dilation: int, expected: float) -> None:
    def convolve(kernel: Any, image: Any) -> Any:
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (stride, stride),
            ((1, 1), (1, 1)),
            lhs_dilation=(dilation, dilation),
            feature_group_count=groups,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    found = flops.count(convolve, jnp.ones((3, 3, 4 // groups, 6)), jnp.ones((1, 8, 8, 4)))
    assert found.flops == pytest.approx(expected)


def test_what_no_output_needs_is_neither_counted_nor_read() -> None:
    @jax.jit
    def ends(weights: dict[str, Any], x: Any) -> Any:
        unused = x @ weights["unused"]
        return jax.jit(lambda a, b: (a @ weights["used"], b))(x, unused)[0]

    found = flops.count(ends, {"unused": W, "used": W}, X)
    assert found.flops == PRODUCT
    assert found.reads == (False, True)


def test_the_dearest_branch_and_checkpointed_parts_count() -> None:
    def branches(w: Any, x: Any) -> Any:
        return jax.lax.cond(x[0, 0] > 0, jax.checkpoint(lambda c: c @ w @ w), lambda c: c @ w, x)

    assert flops.count(branches, W, X).flops == 2 * PRODUCT


class Dense:
    """One product at each end, with a weight of its own."""

    side_codecs: dict[str, Any] = {}  # noqa: RUF012
    payload_streams: tuple[str, ...] = ()

    def predict_fns(self) -> dict[str, Any]:
        def transmit(variables: Any, frozen: Any, image: Image, public: Public, given: Any) -> Signal:
            values = image.reshape(image.shape[0], -1) @ variables["params"]["there"]
            symbols = jax.lax.complex(values, values)
            return Signal(symbols=symbols, used=jnp.ones(symbols.shape))

        def receive(variables: Any, frozen: Any, received: Received, public: Public) -> Image:
            flat = received.symbols.real @ variables["params"]["back"] + variables["stats"]
            return flat.reshape(-1, public.height, public.width, 3)

        return {"transmit": transmit, "receive": receive}


def test_both_ends_have_their_parameters_flops_and_times(tmp_path: pathlib.Path) -> None:
    params = {"there": jnp.ones((48, 8)), "back": jnp.ones((8, 48))}
    batch = {"image": np.ones((2, 4, 4, 3), np.float32), "id": np.arange(2)}
    variables = {"params": params, "stats": jnp.zeros(48)}
    compiled = chain(Dense(), links=ideal_link)  # type: ignore[arg-type]
    rows = cost.cost(compiled, variables, {}, batch=batch, channel=AWGN(), snr_db=10.0, rate=1.0)
    assert [row["end"] for row in rows] == ["transmit", "receive"]
    for row in rows:
        assert (row["parameters"], row["loops"], row["open_loops"]) == (48 * 8, 0, 0)
        assert row["gflop"] == pytest.approx(2 * 48 * 8 / 1e9)
        assert 0 < row["ms_low"] <= row["ms"] <= row["ms_high"]
        assert (row["batch"], row["height"], row["width"]) == (2, 4, 4)
        assert row["device"]
    origin = dict.fromkeys(("system", "variant", "checkpoint", "commit", "config_hash"), "x")
    path = results.save([{**origin, **row} for row in rows], tmp_path / "cost.json", fields=cost.FIELDS)
    assert json.loads(path.read_text())[1]["end"] == "receive"


def test_time_is_the_median_of_the_calls_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.accumulate([0.0, 0.5, 0.0, 0.1, 0.0, 3.0])
    calls: list[int] = []
    monkeypatch.setattr(cost.time, "perf_counter", lambda: next(clock))
    found = cost.measure(lambda: calls.append(1))
    assert found == cost.Timing(
        median=pytest.approx(500.0), low=pytest.approx(100.0), high=pytest.approx(3000.0), repetitions=3
    )
    assert len(calls) == 4
