"""Command line of the digital link: `python -m semjax.link measure [--output FILE]` makes the table of block errors.

It takes about half an hour on two cores. A run that was stopped goes on with the same command.
"""

import argparse
import datetime
import json
import pathlib
from typing import Any

from tqdm import tqdm

from semjax.link import bler, measure
from semjax.link.schemes import RUNGS, STEPS_BETWEEN

PLACE = ("bits_per_symbol", "code_rate_1024", "message_bits")
"""What tells one curve from another."""


def main() -> int:
    """Measures what is missing in the output file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m semjax.link", description=__doc__, allow_abbrev=False)
    parser.add_argument("command", choices=["measure"])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).with_name(bler.TABLE))
    flags = parser.parse_args()
    found: dict[str, Any] = {"rows": []}
    if flags.output.exists():
        found = json.loads(flags.output.read_text(encoding="utf-8"))
    done = {tuple(row[name] for name in PLACE) for row in found["rows"]}
    for rung in tqdm((*RUNGS, *STEPS_BETWEEN), unit="scheme"):
        sizes = tuple(a for a in measure.MESSAGE_BITS if (rung.bits_per_symbol, rung.code_rate_1024, a) not in done)
        found["rows"] += list(measure.rows(measure.Effort(), rungs=(rung,), sizes=sizes))
        found["rows"].sort(key=lambda row: tuple(row[name] for name in PLACE))
        found |= {"date": datetime.date.today().isoformat(), "decoder": "offset min-sum 0.5, layered, 20 iterations"}
        _save(found, flags.output)
    return 0


def _save(found: dict[str, Any], path: pathlib.Path) -> None:
    lines = ",\n".join("  " + json.dumps(row) for row in found["rows"])
    head = {name: value for name, value in found.items() if name != "rows"}
    path.write_text(json.dumps(head)[:-1] + ',\n "rows": [\n' + lines + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
