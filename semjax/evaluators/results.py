"""Result rows on disk: `results.json` (a list of rows), `results.csv` (the same, as a sheet), per-picture values.

One row is one metric of one system over one channel at one SNR. `cbr_* = channel uses / (h * w * 3)`, averaged over
pictures; `ci_low` and `ci_high` bound the mean at 95 %. A value that is not finite is stored as null, and read as NaN.

`rate` is the rate token that both ends agreed on (1 = the system's full cbr). `told_snr_db` is the SNR that both ends
took the channel to have, `snr_db` the one it had; a row in which they are equal is "matched". `side_link` says how
integer streams travel (`ideal`, `coded`, `none` if there are none), `link_terms` on which terms: `capacity`, or what
share of messages the choice of modulation and code rate aims to lose at most. Lost messages are inside every mean.
Files written before these fields existed are read as matched, at full rate, on terms unknown.
"""

import csv
import io
import json
import math
import os
import pathlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from semjax.evaluators.bootstrap import Pictures

Row = dict[str, Any]

FIELDS = (
    *("system", "variant", "checkpoint", "commit", "config_hash", "dataset", "split"),
    *("channel", "csi", "side_link", "link_terms", "snr_db", "told_snr_db", "rate"),
    *("cbr_analog", "cbr_digital", "cbr_side", "cbr_total"),
    *("metric", "mean", "ci_low", "ci_high", "n_images", "n_draws", "seed"),
)
NUMBERS = (
    *("snr_db", "told_snr_db", "rate", "cbr_analog", "cbr_digital", "cbr_side", "cbr_total"),
    *("mean", "ci_low", "ci_high"),
)


def write(rows: Sequence[Row], folder: pathlib.Path) -> pathlib.Path:
    """Writes `results.json` and `results.csv` into `folder`; a reader never sees half a file.

    Args:
      rows: result rows with exactly the fields of `FIELDS`.
      folder: made if absent.

    Returns:
      The path of `results.json`.

    Raises:
      ValueError: a row lacks a field or has an unknown one.
    """
    path = save(rows, folder / "results.json", fields=FIELDS)
    _replace(folder / "results.csv", _csv([_plain_row(row, FIELDS) for row in rows]))
    return path


def save(rows: Sequence[Row], path: pathlib.Path, *, fields: Sequence[str]) -> pathlib.Path:
    """Writes rows of exactly `fields` as JSON, one line per row.

    Raises:
      ValueError: a row lacks a field or has an unknown one.
    """
    for i, row in enumerate(rows):
        if set(row) != set(fields):
            raise ValueError(
                f"result row {i}: missing fields {sorted(set(fields) - set(row))}, "
                f"unknown fields {sorted(set(row) - set(fields))}"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(_plain_row(row, fields), ensure_ascii=False, allow_nan=False) for row in rows)
    _replace(path, f"[\n{lines}\n]\n" if rows else "[]\n")
    return path


def read(path: pathlib.Path) -> list[Row]:
    """Reads the rows of a `results.json`; null becomes NaN in the number fields.

    Raises:
      ValueError: the file is not a list of rows.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path}: expected a JSON list of rows")
    return [_complete({k: math.nan if v is None and k in NUMBERS else v for k, v in row.items()}) for row in rows]


def matched(row: Row) -> bool:
    """Whether the ends knew the channel's SNR."""
    return row["told_snr_db"] == row["snr_db"]


def picture_name(*, channel: str, snr_db: float, told_snr_db: float, rate: float, metric: str) -> str:
    """The name of one point of a sweep in a file of per-picture values."""
    told = "" if told_snr_db == snr_db else f" told_snr_db={told_snr_db:g}"
    return f"channel={channel} snr_db={snr_db:g}{told} rate={rate:g} metric={metric}"


def cbr_name(cbr: float) -> str:
    """A rate for people: as 1/n where it is that within half a per cent, else to three digits."""
    n = round(1 / cbr) if cbr > 0 else 0
    return f"1/{n}" if 2 <= n <= 96 and math.isclose(cbr * n, 1, rel_tol=5e-3) else f"{cbr:.3g}"


def write_pictures(pictures: Mapping[str, Pictures], path: pathlib.Path) -> pathlib.Path:
    """Writes per-picture values (named by `picture_name`) as one npz file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{part} {name}": getattr(p, part) for name, p in pictures.items() for part in ("ids", "values")}
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        np.savez_compressed(file, **arrays)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
    return path


def read_pictures(path: pathlib.Path) -> dict[str, Pictures]:
    """Reads what `write_pictures` wrote."""
    with np.load(path) as stored:
        names = [key.removeprefix("ids ") for key in stored.files if key.startswith("ids ")]
        return {name: Pictures(ids=stored[f"ids {name}"], values=stored[f"values {name}"]) for name in names}


def distinct(rows: Iterable[Row], *fields: str) -> list[tuple[Any, ...]]:
    """The distinct values of `fields`, in order of first appearance."""
    return list(dict.fromkeys(tuple(row[field] for field in fields) for row in rows))


def _complete(row: Row) -> Row:
    return {"told_snr_db": row["snr_db"], "rate": 1.0, "link_terms": "", **row} if "snr_db" in row else row


def _plain_row(row: Row, fields: Sequence[str]) -> Row:
    return {name: _plain(row[name]) for name in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(rows: list[Row]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _replace(path: pathlib.Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8", newline=""
    ) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
