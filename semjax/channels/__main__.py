"""Checks channels from the command line.

    python -m semjax.channels list
    python -m semjax.channels check rayleigh --equaliser zero_forcing --csi pilots --pilots 4

Exit status: 0 conformant, 1 not conformant, 2 unknown name or option.
"""

import argparse
import ast
import difflib
import inspect
import sys
from collections.abc import Sequence
from typing import Any

from semjax.channels import CHANNELS
from semjax.channels.conformance import check
from semjax.contracts import Channel


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _options(words: Sequence[str]) -> dict[str, Any]:
    """Reads `--option value` and `--option=value`."""
    pairs = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if len(pairs) % 2 or not all(name.startswith("--") for name in pairs[::2]):
        raise ValueError(f"options are pairs '--option value', got: {' '.join(words)}")
    return {name[2:].replace("-", "_"): _value(text) for name, text in zip(pairs[::2], pairs[1::2], strict=True)}


def _build(name: str, options: dict[str, Any]) -> Channel:
    if name not in CHANNELS:
        near = difflib.get_close_matches(name, CHANNELS, n=3, cutoff=0.4)
        raise ValueError(f"no channel is called {name!r}; nearest: {', '.join(near or CHANNELS)}")
    allowed = inspect.signature(CHANNELS[name]).parameters
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(f"channel {name!r} has no option {unknown[0]!r}; it has: {', '.join(allowed) or 'none'}")
    return CHANNELS[name](**options)


def _list() -> None:
    for name, make in CHANNELS.items():
        options = ", ".join(f"{p.name}={p.default!r}" for p in inspect.signature(make).parameters.values())
        print(f"{name:<26}{(make.__doc__ or '').splitlines()[0]}" + (f"  [{options}]" if options else ""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m semjax.channels", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the channels and their options")
    checking = commands.add_parser("check", help="check a channel; its options follow as --option value")
    checking.add_argument("name")
    checking.add_argument("--seed", type=int, default=0, help="of the keys and signals used")
    parsed, rest = parser.parse_known_args(arguments)
    if parsed.command == "list":
        _list()
        return 0
    try:
        channel = _build(parsed.name, _options(rest))
    except (ValueError, TypeError) as error:
        print(f"semjax.channels: {error}", file=sys.stderr)
        return 2
    report = check(channel, seed=parsed.seed)
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
