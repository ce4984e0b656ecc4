"""What the SA-OOSC benchmark is made of: checkpoints by name, conditions, and scenes that are drawn once.

A checkpoint lies in a folder sa_oosc_VARIANT_SEED. VARIANT is what its rows call it, which for an ablation says more
than the variant of its system does.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from semjax.app import build, config
from semjax.channels import CHANNELS
from semjax.contracts import Channel
from semjax.data import images
from semjax.data.loader import eval_batches
from semjax.data.sources import ScenesSource
from semjax.evaluators.exam import SceneExam
from semjax.evaluators.scenario_draw import DRAWN, SceneScenarios
from semjax.link.choice import LINKS
from semjax.link.policy import DEFAULT
from semjax.link.transport import Transport
from semjax.teachers.albums import ScenesAlbum

SIZE, SEED, BATCH = 128, 0, 32
"""Pixels of a side; of scenes, of the scenario of each and of the channel draws; pictures sent together."""
SYSTEM, DATASET = "sa_oosc", "scenes"
ORDER = ("student", "static", "uniform_weighted", "uniform", "oracle", "static_scenario", "student_text", "roi")
"""Variants in the order of their rows. Others follow by name: ablations, and students of spoilt labels."""
FIRST = ORDER[:5]
"""Those that have several seeds."""
NAMED = re.compile(rf"{SYSTEM}_(?!coco_|camvid_)(?P<variant>.+)_(?P<seed>\d+)")
"""Those of real pictures are measured by another command."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """One checkpoint."""

    folder: pathlib.Path
    variant: str
    seed: int

    @property
    def name(self) -> str:
        """As rows name the checkpoint."""
        return self.folder.name

    @functools.cached_property
    def digest(self) -> str:
        """Changes with what is in the folder: 12 hex digits."""
        told = hashlib.sha256((self.folder / build.CONFIG_FILE).read_bytes())
        params = self.folder / build.PARAMS_FILE
        told.update(params.read_bytes() if params.is_file() else repr(sorted(self.folder.glob("ckpt/*"))).encode())
        return told.hexdigest()[:12]

    @functools.cached_property
    def config_hash(self) -> str:
        """Of the run that it was made of."""
        params = self.folder / build.PARAMS_FILE
        if params.is_file():
            with np.load(params) as stored:
                return str(json.loads(str(stored[build.META_KEY])).get("config_hash", ""))
        return config.config_hash(config.from_json((self.folder / build.CONFIG_FILE).read_text(encoding="utf-8")))

    def load(self) -> build.Loaded:
        """The trained system."""
        return build.load(self.folder, build.default_registry())


def models(folder: pathlib.Path, *, only: Sequence[str] = (), seeds: Sequence[int] = ()) -> list[Model]:
    """The checkpoints in a folder.

    Args:
      folder: holds sa_oosc_VARIANT_SEED.
      only: variants; () = all.
      seeds: of the trainings; () = all.

    Raises:
      ValueError: there is none, or a named variant is missing.
    """
    found = []
    for path in folder.glob(f"{SYSTEM}_*/{build.CONFIG_FILE}"):
        named = NAMED.fullmatch(path.parent.name)
        if named:
            found.append(Model(folder=path.parent, variant=named["variant"], seed=int(named["seed"])))
    known = sorted({model.variant for model in found})
    missing = sorted(set(only) - set(known))
    chosen = [m for m in found if (not only or m.variant in only) and (not seeds or m.seed in seeds)]
    if missing or not chosen:
        what = f"of variant {', '.join(missing)}" if missing else "chosen"
        raise ValueError(
            f"{folder} holds no checkpoint {what}: they are folders {SYSTEM}_VARIANT_SEED, and there are variants "
            f"{', '.join(known) or '(none)'}; see --checkpoints, --only and --seeds"
        )
    place = {variant: i for i, variant in enumerate(ORDER)}
    return sorted(chosen, key=lambda m: (place.get(m.variant, len(ORDER)), m.variant, m.seed))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """What a picture is sent over: the analog channel, the link of its side information, and the SNR in dB."""

    channel: str
    link: str
    snr_db: float

    def __str__(self) -> str:
        return f"{self.channel}_{self.link}_{self.snr_db:g}dB"

    @property
    def analog(self) -> Channel:
        """The channel."""
        return _channel(self.channel)

    @property
    def side(self) -> Transport:
        """The link over that channel."""
        return links(self.link)(self.analog)


links = functools.cache(lambda name: LINKS[name](DEFAULT))
"""A digital link by name: "ideal" or "coded"; over each channel."""
_channel = functools.cache(lambda name: CHANNELS[name]())


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """The first scenes of a split, each under a scenario of its own; 8 bits per value in memory."""

    split: str
    batches: Sequence[Mapping[str, Any]]
    exam: SceneExam

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches:
            yield {**batch, "image": images.from_uint8(batch["image"])}


@functools.cache
def shown(split: str, count: int) -> Shown:
    """Draws the first `count` scenes of a split, once per process."""
    source = ScenesSource(size=SIZE, split=split, count=count, seed=SEED, truth=True)
    scenarios = SceneScenarios(split=split, name=DRAWN, seed=SEED)
    kept = []
    for batch in eval_batches(source, batch_size=min(BATCH, count)):
        kept.append({**batch, **scenarios.columns(batch["id"].tolist()), "image": images.to_uint8(batch["image"])})
    return Shown(split=split, batches=kept, exam=SceneExam(ScenesAlbum.of(source), scenarios=scenarios))


def joined(parts: Sequence[Mapping[str, np.ndarray]], masks: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of batches put together, without the rows that only fill batches up."""
    return {
        name: np.concatenate([np.asarray(part[name])[mask] for part, mask in zip(parts, masks, strict=True)])
        for name in parts[0]
    }
