"""Makes sets of pictures to train on; see docs/data.md."""

import argparse
import sys
from collections.abc import Callable

from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.data.pack import pack
from semjax.data.records_source import write_records
from semjax.data.sources import ScenesSource


def _pack(args: argparse.Namespace) -> str:
    return f"packed {pack(args.folder, args.out)} pictures into {args.out}"


def _records(args: argparse.Namespace) -> str:
    count = write_records(args.folder, args.out, shards=args.shards)
    return f"wrote {count} pictures into {args.shards} shards in {args.out}"


def _tfds_scenes(args: argparse.Namespace) -> str:
    for split in args.splits:
        ScenesSource(size=args.size, split=split, count=args.count)  # says what cannot be
    from semjax.data.scenes_builder import prepare  # imports tensorflow-datasets

    name = prepare(args.out, count=args.count, size=args.size, splits=args.splits)
    return f"prepared {name} in {args.out}: {args.count} scenes in each of {', '.join(args.splits)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m semjax.data", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Callable[[argparse.Namespace], str], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(do=do)
        return made

    archive = command("pack", _pack, "make images.tar and images.index.json from a folder of pictures")
    records = command("records", _records, "make ArrayRecord shards from a folder of pictures")
    for each in (archive, records):
        each.add_argument("folder", help="the pictures, at any depth; its subfolders are the splits")
        each.add_argument("out", help="folder to write to; made if missing")
    records.add_argument("--shards", type=int, default=1, help="how many files (default 1)")
    scenes = command("tfds-scenes", _tfds_scenes, "prepare procedural scenes as a tensorflow-datasets set")
    scenes.add_argument("out", help="the data_dir of the set; made if missing")
    scenes.add_argument("--count", type=int, default=100, help="scenes per split (default 100)")
    scenes.add_argument("--size", type=int, default=64, help="pixels of each side (default 64)")
    scenes.add_argument("--splits", nargs="+", default=["train", "val", "test"], help="default: train val test")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns its exit code (0 done, 2 the data is not as it should be)."""
    args = _parser().parse_args(argv)
    try:
        print(args.do(args))
    except (DataError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
