"""Questions in an evaluation: what `eval.scenario` asks for, and the rows of the two baselines that send nothing."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from semjax.app.errors import ConfigError, explained
from semjax.data.entries import unwrapped
from semjax.data.files import Source
from semjax.data.sources import ScenesSource
from semjax.evaluators.bootstrap import Pictures
from semjax.evaluators.exam import SceneExam
from semjax.evaluators.paired import Measured
from semjax.evaluators.results import Row, matched
from semjax.evaluators.shares import RATIOS, share
from semjax.teachers.albums import ScenesAlbum


def exam_of(cfg: Any, source: Source) -> SceneExam | None:
    """Who asks about the pictures of `eval.data`; None if `eval.scenario` is empty.

    Raises:
      ConfigError: pictures that are no whole scenes, or no such scenario.
    """
    if not cfg.eval.scenario:
        return None
    scenes = unwrapped(source)
    if not isinstance(scenes, ScenesSource) or cfg.eval.data.crop is not None:
        raise ConfigError(
            "eval.scenario: questions are asked about whole scenes only; set eval.data.source to scenes and "
            "eval.data.crop to None, or eval.scenario to ''"
        )
    with explained("eval.scenario"):
        return SceneExam(ScenesAlbum.of(scenes), scenario=cfg.eval.scenario, seed=cfg.eval.seed)


def baselines(exam: SceneExam, own: Measured) -> Iterator[Row]:
    """Rows of the blind guess and of the grey picture at every SNR and channel of a system: they cost nothing."""
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
