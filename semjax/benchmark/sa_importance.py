"""`python -m semjax.benchmark sa-importance`: the table of the baselines, and of a file of predictions beside them.

Three sets of labels are scored. All labels of the split. Those that a second, blind pass judged too, with the second
pass itself, the ceiling, beside everything else on the same objects. And the second pass over the pictures of all
splits, since nothing about it was fitted. With `--against`, the differences of the predictions' scores to a baseline's,
with intervals of these differences, stand beside them.
"""

import argparse
import functools
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from semjax.benchmark import baselines, coco_part, predictions, scenes_part, scores
from semjax.benchmark.labels import PARTS, Labels, joined, load, splits
from semjax.benchmark.objects import BenchmarkError
from semjax.evaluators import results
from semjax.evaluators.results import Row
from semjax.training.log import git_state

EVERY, SECOND_ONLY, DIFFERENCE = "all", "second pass", "all, paired"
"""Which labels a row is of."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--part", default="coco", choices=PARTS, help="which pictures (default coco)")
    parser.add_argument("--split", default="test", help="which of them (default test)")
    parser.add_argument("--predictions", type=pathlib.Path, help="a file of predictions to score beside the baselines")
    parser.add_argument("--name", help="what the tables call the predictions (default: the file's name)")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="BASELINE",
        help="also give the differences to a baseline, with their own intervals; may be repeated",
    )
    parser.add_argument("--scale", choices=predictions.SCALES, help="which number means indispensable (default 9)")
    parser.add_argument("--out", type=pathlib.Path, help="file to write the rows to, as JSON")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument(
        *("--write_baseline", "--write-baseline"),
        nargs=2,
        metavar=("NAME", "FILE"),
        help=f"write a baseline as a file of predictions and stop; one of: {', '.join(baselines.NAMES)}",
    )


def run(args: argparse.Namespace) -> str:
    """Does what the options say; returns what to print."""
    labels = load(args.part, args.split)
    fitted = baselines.fitted(load(args.part, "train"), load(args.part, "val"))
    if args.write_baseline:
        name, file = args.write_baseline
        if name not in fitted:
            raise BenchmarkError(f"no baseline {name!r}; the baselines are: {', '.join(fitted)}")
        predictions.write(fitted[name](labels), labels, pathlib.Path(file))
        return f"wrote {name} for {args.part} {args.split} to {file}"
    said: dict[str, np.ndarray] = {name: predict(labels) for name, predict in fitted.items()}
    unscaled, notes = [], []
    if args.predictions:
        name = args.name or args.predictions.stem
        if name in {*said, baselines.SECOND}:
            raise BenchmarkError(f"the predictions are called {name!r}, as a baseline is; give another --name")
        said[name], scale = predictions.read(args.predictions, labels, scale=args.scale)
        unscaled = [name] if scale is None else []
        if scale == 9 and said[name].max(initial=0) <= 1 / 9 < labels.importance.max():
            notes.append(f"note: {name} says nothing above 1; if its scale is 0 to 1, say so: --scale 1")
    compared = differences(said, labels, against=args.against, unscaled=unscaled)
    rows = rows_of(said, labels, unscaled=unscaled) + ceiling(args.part) + compared
    if args.out:
        results.save(rows, args.out, fields=scores.FIELDS)
        notes.append(f"wrote {len(rows)} rows to {args.out}")
    return "\n".join([*tables(rows, markdown=args.markdown), *notes])


def rows_of(said: Mapping[str, np.ndarray], labels: Labels, *, unscaled: Sequence[str] = ()) -> list[Row]:
    """Rows of all predictors on all labels, and on those that have a second pass, with it beside.

    Args:
      said: predicted importance, float[n, s], by the predictor's name.
      labels: what is right.
      unscaled: predictors of which only the order counts.
    """
    twice = labels.judged_twice
    sets = [(EVERY, np.ones(len(labels), bool))] + [(SECOND_ONLY, twice)] * bool(twice.any())
    rows = []
    for which, chosen in sets:
        judged = dict(said) | ({baselines.SECOND: labels.second} if which == SECOND_ONLY else {})
        for name, values in judged.items():
            metrics = scores.ORDER_METRICS if name in unscaled else scores.METRICS
            rows += scores.scored(
                values[chosen], labels.where(chosen), about=_about(name, which, labels.part), metrics=metrics
            )
    return rows


def differences(
    said: Mapping[str, np.ndarray], labels: Labels, *, against: Sequence[str], unscaled: Sequence[str] = ()
) -> list[Row]:
    """Rows of the last predictor's scores less those of baselines, over all labels; resamples are of the same pictures.

    Args:
      said: predicted importance, float[n, s], by the predictor's name.
      labels: what is right.
      against: names of baselines.
      unscaled: predictors of which only the order counts.

    Raises:
      BenchmarkError: a name that is no baseline, or nothing but baselines was said.
    """
    name = list(said)[-1]
    rows = []
    for other in against:
        if other not in baselines.NAMES or name in baselines.NAMES:
            raise BenchmarkError(
                f"--against {other!r} compares --predictions FILE with one of: {', '.join(baselines.NAMES)}"
            )
        about = _about(f"{name} - {other}", DIFFERENCE, labels.part)
        metrics = scores.ORDER_METRICS if name in unscaled else scores.METRICS
        rows += scores.scored(said[name], labels, about=about, metrics=metrics, than=said[other])
    return rows


def ceiling(part: str) -> list[Row]:
    """Rows of the second pass over all splits together; none for a part without one."""
    if part != "coco":
        return []
    labels = joined(*(load(part, split) for split in splits(part)))
    twice = labels.judged_twice
    return scores.scored(labels.second[twice], labels.where(twice), about=_about(baselines.SECOND, SECOND_ONLY, part))


def tables(rows: Sequence[Row], *, markdown: bool) -> list[str]:
    """The rows for people: each set of labels with all metrics, then Spearman's correlation by scenario."""
    lines = []
    for split, which in results.distinct(rows, "split", "labels"):
        here = [row for row in rows if (row["split"], row["labels"]) == (split, which)]
        pooled = [row for row in here if row["scenario"] == scores.ALL]
        first = here[0]
        size = f"{first['n_images']} pictures, {first['n_objects']} objects"
        lines += [f"{first['dataset']}, {first['part']} {split}, labels: {which} ({size}), all scenarios", ""]
        lines += [*_table(pooled, across="metric", markdown=markdown), ""]
        if which == EVERY:
            ranks = [row for row in here if row["metric"] == "spearman"]
            lines += ["Spearman by scenario", "", *_table(ranks, across="scenario", markdown=markdown), ""]
    return lines


def _about(system: str, which: str, part: str) -> Row:
    mark = coco_part.fingerprint() if part == "coco" else coco_part.digest(" ".join(scenes_part.FINGERPRINTS.values()))
    return {"system": system, "variant": "", "commit": _commit(), "labels": which, "fingerprint": mark[:12]}


@functools.cache
def _commit() -> str:
    git = git_state()
    return (git["commit"] or "")[:12] + ("+" if git["dirty"] else "")


def _table(rows: Sequence[Row], *, across: str, markdown: bool) -> list[str]:
    heads = [str(head) for (head,) in results.distinct(rows, across)]
    cells = [["system", *heads]]
    for (system,) in results.distinct(rows, "system"):
        found = {row[across]: row for row in rows if row["system"] == system}
        cells.append([system, *(_cell(found[head]) for head in heads)])
    if markdown:
        cells.insert(1, ["---", *("---:" for _ in heads)])
        return ["| " + " | ".join(line) + " |" for line in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
        for line in cells
    ]


def _cell(row: Row) -> str:
    if not np.isfinite(row["mean"]):
        return "–"
    return f"{row['mean']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]"
