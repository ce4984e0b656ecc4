"""A run of seconds for the tests of the programs: one dense layer at each end, forty small pictures."""

import copy
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from semjax.app import build, config, start
from semjax.bottlenecks.analog import FixedRate
from semjax.channels.base import normalize_power
from semjax.contracts import Phase
from semjax.systems.base import SystemTrainable
from semjax.types import Signal

PATCH = 8


class Dense(nn.Module):
    """Patches of 8x8 through one dense layer at each end, with a counter in a collection."""

    features: int = 8

    def setup(self) -> None:
        self.encoder = nn.Dense(self.features)
        self.decoder = nn.Dense(3 * PATCH * PATCH)
        self.seen = self.variable("stats", "seen", jnp.zeros, ())

    def transmit(self, image, public, given):
        b, h, w, _ = image.shape
        blocks = image.reshape(b, h // PATCH, PATCH, w // PATCH, PATCH, 3).swapaxes(2, 3)
        latents = self.encoder(blocks.reshape(b, h // PATCH, w // PATCH, -1))
        if self.is_mutable_collection("stats"):
            self.seen.value += 1.0
        used = jnp.ones((b, latents[0].size // 2), jnp.float32)
        return Signal(symbols=normalize_power(FixedRate().symbols(latents), used), used=used)

    def receive(self, received, public):
        rows, columns = public.height // PATCH, public.width // PATCH
        shape = (rows, columns, self.features)
        latents = FixedRate().reals(received.symbols.real, received.symbols.imag, shape)
        blocks = self.decoder(latents).reshape(-1, rows, columns, PATCH, PATCH, 3)
        return blocks.swapaxes(2, 3).reshape(-1, public.height, public.width, 3)


def build_dense(cfg: Any, parts: Any, *, features: int = 8) -> SystemTrainable:
    """The builder of system "dense", as a user would write one."""
    channel, phases = parts.channel(cfg.channel), parts.phases(cfg.phases)
    return SystemTrainable(name="dense", module=Dense(features=features), channel=channel, PHASES=phases)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tiny:
    """A registry with system "dense", a configuration of it, and its pictures."""

    registry: build.Registry
    config: dict[str, Any]
    pictures: pathlib.Path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An array file of 40 pictures of 24x24."""
    path = tmp_path_factory.mktemp("pictures") / "pictures.npz"
    noise = np.random.default_rng(0).integers(0, 256, (43, 24, 24, 3), np.uint8)
    np.savez(path, train=noise[:40], val=noise[40:, :16, :16])
    return path


@pytest.fixture(scope="session")
def tiny_run(pictures: pathlib.Path) -> Tiny:
    """Six steps in two phases; not to be changed."""
    array = {"source": "array", "path": str(pictures)}
    cfg = {
        "system": {"name": "dense"},
        "phases": (
            {"name": "first", "fraction": 0.5, "snr_db": (0.0, 10.0)},
            {"name": "second", "fraction": 0.5, "snr_db": (5.0, 15.0), "lr_scale": 0.5},
        ),
        "data": {"train": {**array, "key": "train", "crop": 16}, "batch_size": 16},
        "val": {**array, "key": "val", "batch_size": 2},
        "optim": {"clip": 1.0},
        "train": {"steps": 6, "log_every": 1, "checkpoint_every": 2, "keep": 2},
    }
    return Tiny(registry=build.default_registry().with_(systems={"dense": build_dense}), config=cfg, pictures=pictures)


@pytest.fixture
def tiny(tiny_run: Tiny) -> Tiny:
    """The same; its configuration may be changed."""
    return dataclasses.replace(tiny_run, config=copy.deepcopy(tiny_run.config))


@pytest.fixture(scope="session")
def xla(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of compiled programs."""
    return tmp_path_factory.mktemp("xla")


@pytest.fixture(scope="package", autouse=True)
def _compile_once(xla: pathlib.Path) -> Iterator[None]:
    """The same programs come again from run to run: they are compiled once."""
    kept = {"jax_compilation_cache_dir": str(xla), "jax_persistent_cache_min_compile_time_secs": 0}
    before = {name: getattr(jax.config, name) for name in kept}
    for name, value in kept.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="module")
def steps_made_once() -> Iterator[None]:
    """Runs of one configuration share their step functions; that every phase can be traced is not tried beforehand."""
    made: dict[tuple[str, str], Any] = {}
    real = start.Ready.step_of

    def step_of(run: start.Ready, phase: Phase) -> Any:
        key = (config.config_hash(config.training_part(run.cfg)), phase.name)
        made[key] = made.get(key) or real(run, phase)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start.Ready, "step_of", step_of)
        patch.setattr(start, "check_phases", lambda *arguments, **options: None)
        yield
