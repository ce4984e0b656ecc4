"""Fits the linear code's prior on pictures: python -m semjax.app.fit_prior --root DIR [--split train] --output FILE."""

import argparse
import sys
from collections.abc import Sequence

from semjax.app.errors import guard
from semjax.bottlenecks.linear import fit_prior, save_prior
from semjax.data.sources import ArchiveSource, FolderSource


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m semjax.app.fit_prior", description="Fits the linear code's prior.")
    parser.add_argument("--root", required=True, help="an archive, or a folder of pictures")
    parser.add_argument("--split", help="of an archive; then --root is one")
    parser.add_argument("--output", required=True, help="npz file to write")
    flags = parser.parse_args(argv)
    source = ArchiveSource(flags.root, split=flags.split) if flags.split else FolderSource(flags.root)
    save_prior(flags.output, fit_prior(source[i]["image"] for i in range(len(source))))
    print(
        f"prior of {len(source)} pictures written to {flags.output}; use it with --config.system.prior={flags.output}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
