"""Scenarios in an evaluation: what `eval.scenario` says of each picture, who asks about what arrived, and the rows of
the two baselines that send nothing."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from semjax.app import learned
from semjax.app.errors import ConfigError, explained
from semjax.app.joined import joined_of
from semjax.data.entries import unwrapped
from semjax.data.files import Source
from semjax.data.sources import ScenesSource
from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.exam import SceneExam
from semjax.evaluators.paired import Measured
from semjax.evaluators.results import Row, matched
from semjax.evaluators.scenario_draw import ScenarioDraw, SceneScenarios, StoredScenarios
from semjax.evaluators.shares import RATIOS, share
from semjax.scenes.scenarios import scenario_names
from semjax.teachers.albums import ScenesAlbum


def scenarios_of(cfg: Any, source: Source) -> ScenarioDraw | None:
    """The scenarios of the pictures of `eval.data`; None if `eval.scenario` is empty.

    Raises:
      ConfigError: pictures of which no scenario is known, no such scenario, or scenes joined with some scenarios only.
    """
    name, seed = cfg.eval.scenario, cfg.eval.seed
    if not name:
        return None
    scenes, join = unwrapped(source), joined_of(source)
    with explained("eval.scenario"):
        if isinstance(scenes, ScenesSource):
            if join is not None and tuple(join.scenarios) != tuple(scenario_names()):
                raise ConfigError(
                    "eval.data.teachers.scenarios: scenes are evaluated with all their scenarios, or none"
                )
            return SceneScenarios(split=scenes.split, name=name, seed=seed)
        if join is not None:
            return StoredScenarios(names=tuple(join.scenarios), name=name, seed=seed)
    raise ConfigError(
        "eval.scenario: nothing is known of scenarios of these pictures; set eval.data.source to scenes, or "
        "eval.data.teachers.stores, or eval.scenario to ''"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asking:
    """What an evaluation knows of scenarios: which each picture has, and who asks about what arrived; None = nobody.

    Attributes:
      scenarios: of the pictures.
      exam: who asks.
      rows: how many scenarios the run's system knows by number; None if that does not matter.
    """

    scenarios: ScenarioDraw | None = None
    exam: SceneExam | None = None
    rows: int | None = None

    def told(self, batches: Iterator[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The batches, with what is known in public of their scenarios.

        Raises:
          ConfigError: a scenario that the system does not know.
        """
        for batch in batches:
            known = {} if self.scenarios is None else self.scenarios.columns(batch["id"].tolist())
            if "scenario" in known:
                learned.checked(known["scenario"], self.rows, where="eval.scenario")
            yield {**batch, **known}


def asking(cfg: Any, source: Source, trainable: Any = None) -> Asking:
    """What `eval.scenario` asks for; only scenes can be asked about, and only as wholes.

    Args:
      cfg: of the run, with the evaluation's changes.
      source: the pictures of `eval.data`.
      trainable: the run's system, to see whether it knows these scenarios.

    Raises:
      ConfigError: as `scenarios_of`, scenes that are cropped, or a system that cannot be told what it needs.
    """
    scenarios, scenes = scenarios_of(cfg, source), unwrapped(source)
    learned.check_evaluation(cfg, source, trainable, scenarios)
    rows = learned.rows_of(trainable)
    if scenarios is None or not isinstance(scenes, ScenesSource):
        return Asking(scenarios=scenarios, rows=rows)
    if cfg.eval.data.crop is not None:
        raise ConfigError(
            "eval.data.crop: questions are asked about whole scenes only; leave it None, or set eval.scenario to ''"
        )
    return Asking(scenarios=scenarios, exam=SceneExam(ScenesAlbum.of(scenes), scenarios=scenarios), rows=rows)


def baselines(exam: SceneExam | None, own: Measured) -> Iterator[Row]:
    """Rows of the blind guess and of the grey picture at every SNR and channel of a system: they cost nothing."""
    if exam is None:
        return
    asked = next(values for name, values in own.pictures.items() if name.endswith(" metric=asked"))
    columns = {
        system: {name: Pictures(ids=asked.ids, values=values) for name, values in counts.items()}
        for system, counts in exam.baselines(asked.ids).items()
    }
    for row in _places(own.rows):
        free = {name: 0.0 for name in row if name.startswith("cbr_")}
        for system, values in columns.items():
            for metric in RATIOS:
                found = dataclasses.asdict(share(values, metric))
                yield {
                    **{**row, **free, "system": system, "variant": "default", "checkpoint": "", "config_hash": ""},
                    **{"side_link": "none", "link_terms": "", "rate": 1.0, "n_draws": 1, "metric": metric},
                    **{"mean": found["mean"], "ci_low": found["low"], "ci_high": found["high"]},
                }


def _places(rows: Sequence[Row]) -> list[Row]:
    """One row per channel and SNR."""
    first: dict[tuple[str, float], Row] = {}
    for row in rows:
        if matched(row):
            first.setdefault((row["channel"], row["snr_db"]), row)
    return list(first.values())
