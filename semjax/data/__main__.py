"""`python -m semjax.data pack FOLDER OUT`: makes an archive from a folder of pictures."""

import argparse
import sys

from semjax.data.pack import pack


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns its exit code (0 done, 2 the data is not as it should be)."""
    parser = argparse.ArgumentParser(prog="python -m semjax.data", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("pack", help="make images.tar and images.index.json from a folder of pictures")
    command.add_argument("folder", help="the pictures, at any depth; its subfolders are the splits")
    command.add_argument("out", help="folder to write to; made if missing")
    args = parser.parse_args(argv)
    try:
        count = pack(args.folder, args.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"packed {count} pictures into {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
