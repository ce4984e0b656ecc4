"""`python -m semjax.evaluators tables`: the tables of README.md and docs/ from the committed results."""

import sys

from semjax.evaluators import tables

COMMANDS = {"tables": tables.main}


def main(argv: list[str]) -> int:
    """Runs a command of this folder; returns the exit code."""
    if not argv or argv[0] not in COMMANDS:
        print(f"usage: python -m semjax.evaluators {{{','.join(COMMANDS)}}} [options]", file=sys.stderr)
        return 2
    return COMMANDS[argv[0]](argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
