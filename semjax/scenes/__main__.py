"""Shows the procedural world.

    python -m semjax.scenes sheet --out scenes.png --split test --count 6
    python -m semjax.scenes information

Exit status: 0 done, 2 something asked that cannot be.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from semjax.scenes.information import lines, rows, sample_objects, table
from semjax.scenes.sheet import SheetError, sheet


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def _sheet(args: argparse.Namespace) -> str:
    out = pathlib.Path(args.out)
    if out.suffix.lower() != ".png":
        raise SheetError(f"--out {args.out}: the sheet is a .png file")
    if not out.parent.is_dir():
        raise SheetError(f"--out {args.out}: there is no folder {out.parent}")
    drawn = sheet(split=args.split, count=args.count, size=args.size, seed=args.seed)
    drawn.save(out)
    return f"wrote {args.count} scenes of {args.split} to {out}"


def _information(args: argparse.Namespace) -> str:
    objects = sample_objects(args.count, seed=args.seed)
    found = table(objects)
    if args.out:
        told = ",\n".join("  " + json.dumps(row) for row in rows(found, objects, seed=args.seed))
        pathlib.Path(args.out).write_text(f"[\n{told}\n]\n", encoding="utf-8")
    return lines(found, objects)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m semjax.scenes", description="Shows the procedural world.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Callable[[argparse.Namespace], str], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        made.set_defaults(do=do)
        made.add_argument("--seed", type=int, default=0, help="of all that is drawn (default 0)")
        return made

    drawn = command("sheet", _sheet, "draw a contact sheet: picture, regions, importance, questions, caption")
    drawn.add_argument("--out", required=True, help="the .png file to write")
    drawn.add_argument("--split", default="test", help="which scenes (default test)")
    drawn.add_argument("--count", type=int, default=6, help="how many scenes (default 6)")
    drawn.add_argument("--size", type=int, default=128, help="pixels of each side (default 128)")
    told = command("information", _information, "print what tables can know of importance, in bits and variance")
    told.add_argument("--count", type=int, default=20_000, help="objects at least (default 20000)")
    told.add_argument("--out", help="a .json file to write the table to as well")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status."""
    args = _parser().parse_args(arguments)
    try:
        print(args.do(args))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
