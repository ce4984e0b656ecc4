"""Every shipped configuration: plain values, documented, its resolved text unchanged, its step of the right shapes."""

import ast
import pathlib

import jax
import pytest

from semjax.app import build, config
from semjax.app.dry_run import labelled
from semjax.app.optimizer import make_optimizer
from semjax.training.phases import schedule
from semjax.training.state import init_state
from semjax.training.step import make_step

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = pathlib.Path(__file__).parent / "golden"
REGISTRY = build.default_registry()
SPECS = [
    "deepjscc.py:quick",
    "deepjscc.py:public",
    "deepjscc.py:cifar",
    "deepjscc.py:natural",
    "deepjscc.py:accelerator",
    "deepjscc.py:scenes",
    "linear.py",
    "swinjscc.py:quick",
    "swinjscc.py:cifar",
    "swinjscc.py:natural",
    "swinjscc.py:accelerator",
    "swinjscc.py:base",
    "swinjscc.py:public_cifar",
    "swinjscc.py:scenes",
    "reader.py:full",
    "reader.py:quick",
    "sa_oosc.py:quick",
    "sa_oosc.py:transform",
    "sa_oosc.py:natural",
    "sa_oosc.py:student",
    "sa_oosc.py:scenes",
    "sa_oosc.py:coco",
    "sa_oosc.py:camvid",
    "sa_oosc.py:student_coco",
    "sa_oosc.py:student_camvid",
    "sa_oosc.py:accelerator",
]
STORED = tuple(spec for spec in SPECS if spec.endswith(("coco", "camvid")))
"""Their labels are in stores of pictures that do not come with the package; their phases are as of other variants."""
SLOW = tuple(spec for spec in SPECS if spec.startswith("sa_oosc") or spec.endswith(":scenes"))
"""Four phases are long to trace; a small system goes through them in tests/systems/test_sa_oosc_compile.py. Other
systems on scenes have the steps of their siblings."""


def load(spec: str):
    return config.resolve(config.load(str(ROOT / "configs" / spec)), REGISTRY)


def test_every_configuration_is_listed() -> None:
    found = []
    for path in sorted((ROOT / "configs").glob("*.py")):
        variants = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Assign)]
        names = [ast.literal_eval(n.value) for n in variants if n.targets[0].id == "VARIANTS"]  # type: ignore[attr-defined]
        found += [f"{path.name}:{v}" for v in names[0]] if names else [path.name]
    assert sorted(found) == sorted(SPECS)


@pytest.mark.parametrize("spec", SPECS)
def test_resolved_text_is_the_golden_one(spec: str, request: pytest.FixtureRequest) -> None:
    golden = GOLDEN / (spec.replace(".py", "").replace(":", "_") + ".json")
    text = config.to_json(load(spec))
    if request.config.getoption("--update-golden", default=False):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), "the configuration changed: review, then pytest tests/configs --update-golden"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=lambda path: path.name)
def test_a_configuration_is_plain_and_documented(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text())
    imported = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert imported == ["ml_collections"]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.Lambda)]
    text = ast.get_docstring(tree) or ""
    for words in ("python train.py --config configs/", "hardware:", "PSNR"):
        assert words in text


@pytest.mark.parametrize(
    "spec", [pytest.param(s, marks=[pytest.mark.nightly] * (s in SLOW)) for s in SPECS if s not in STORED]
)
def test_one_step_has_the_shapes_of_the_state(spec: str) -> None:
    cfg = load(spec)
    trainable, optimizer = build.build(cfg, REGISTRY), make_optimizer(cfg)
    batch = build.example_batch(cfg, cfg.data.batch_size, like=labelled(cfg, REGISTRY))
    key = jax.random.key(0)
    state = jax.eval_shape(lambda key: init_state(trainable, optimizer, key, batch), key)
    stretches = schedule(trainable.PHASES, max(cfg.train.steps, 1))
    for stretch in stretches:
        step = make_step(trainable, stretch.phase, optimizer=optimizer, accumulate=cfg.optim.accumulate)
        after, metrics = jax.eval_shape(step, state, {}, batch, key)
        same = jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), state, after)
        assert all(jax.tree.leaves(same))
        assert {"loss", "lr", *stretch.phase.weights} <= set(metrics)
        assert all(value.shape == () for value in metrics.values())


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("deepjscc.py:public", 156_000),
        ("deepjscc.py:quick", 350_000),
        ("swinjscc.py:natural", 3_270_000),
        ("deepjscc.py:scenes", 1_890_000),
        ("swinjscc.py:scenes", 1_930_000),
        ("swinjscc.py:base", 33_070_000),
        ("swinjscc.py:public_cifar", 13_700_000),
    ],
)
def test_number_of_parameters(spec: str, count: int) -> None:
    cfg = load(spec)
    params, _ = jax.eval_shape(build.build(cfg, REGISTRY).init, jax.random.key(0), build.example_batch(cfg))
    total = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert 0.9 * count < total < 1.1 * count
