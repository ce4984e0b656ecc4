"""Stores of what teachers say: made, filled from outside, checked, and looked at by people; see docs/teachers.md.

python -m semjax.teachers run --album scenes --split train --teacher oracle --out STORES --shards 16 --processes 2
python -m semjax.teachers ingest LINES.jsonl --album coco --split test --root DIR --out STORES
python -m semjax.teachers validate STORE [--album ... --teacher ...]
python -m semjax.teachers review STORE --album ... --out DIR
python -m semjax.teachers merge-overrides STORE FILE.jsonl ... --reviewer NAME
"""

import argparse
import os
import pathlib
import sys
from collections.abc import Callable

from semjax.data.files import DataError
from semjax.data.images import ImageError
from semjax.store.shards import Store
from semjax.teachers import overrides, workers
from semjax.teachers.card import write_card
from semjax.teachers.choice import ALBUMS, TEACHERS
from semjax.teachers.failures import FailureLimit
from semjax.teachers.ingest import ingest
from semjax.teachers.jsonl import listed
from semjax.teachers.precompute import precompute
from semjax.teachers.review import review
from semjax.teachers.validate import require, validate


def _run(flags: argparse.Namespace) -> str:
    if flags.processes > 1:
        return workers.spawn(flags.processes, flags.argv, first=flags.process_index, hosts=flags.process_count)
    album = ALBUMS[flags.album](flags)
    report = precompute(
        album,
        TEACHERS[flags.teacher](flags, album),
        flags.out,
        shards=flags.shards,
        process_index=flags.process_index,
        process_count=flags.process_count,
        batch=flags.batch,
        resume=not flags.anew,
        limit=FailureLimit(most=flags.max_failed),
    )
    return str(report)


def _ingest(flags: argparse.Namespace) -> str:
    limit = FailureLimit(most=flags.max_failed)
    told = {"scenarios": flags.scenarios, "shards": flags.shards, "max_bad": flags.max_bad}
    made = ingest(flags.lines, ALBUMS[flags.album](flags), flags.out, **told, limit=limit)
    left_out = f"\n{len(made.bad)} bad lines left out:{listed(made.bad)}" if made.bad else ""
    return f"{made.report}\n{made.without} pictures have no line{left_out}"


def _validate(flags: argparse.Namespace) -> str:
    album, teacher = None, None
    if flags.album and flags.teacher:
        album = ALBUMS[flags.album](flags)
        teacher = TEACHERS[flags.teacher](flags, album)
    found = validate(flags.store, album=album, teacher=teacher)
    for check in found.checks:
        print(check)
    card = write_card(found)
    require(found, flags.store)
    return f"card: {card}"


def _review(flags: argparse.Namespace) -> str:
    made = review(Store(flags.store), ALBUMS[flags.album](flags), flags.out, count=flags.sample, seed=flags.sample_seed)
    return f"{len(made.pictures)} pictures to look at: {made.page} (the same as lines: {made.lines})"


def _merge(flags: argparse.Namespace) -> str:
    made = overrides.merge(flags.files, Store(flags.store), reviewer=flags.reviewer, out=flags.out)
    return f"{made.path}: {made.labels} labels\n{made.agreement}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m semjax.teachers",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Callable[[argparse.Namespace], str], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        made.set_defaults(do=do)
        return made

    run = command("run", _run, "ask a teacher about every picture of an album, and keep what it says")
    _add_album(run, required=True)
    _add_teacher(run, required=True)
    _add_work(run)
    _add_lines(command("ingest", _ingest, "make a store of the JSON lines of an outside model"))
    check = command(
        "validate", _validate, "check a store and write its CARD.md; with album and teacher, recompute some"
    )
    _add_album(check, required=False)
    _add_teacher(check, required=False)
    look = command("review", _review, "write a page on which a person corrects a sample of the labels")
    merge = command("merge-overrides", _merge, "check reviewers' files, merge them, and say how far they agree")
    for each in (check, look, merge):
        each.add_argument("store", type=pathlib.Path, help="folder of the store, with teacher.json")
    _add_review(look)
    _add_merge(merge)
    return parser


def _add_lines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lines", type=pathlib.Path, help="the JSONL file; see semjax/teachers/jsonl.py")
    _add_album(parser, required=True)
    _add_out(parser)
    parser.add_argument(
        "--scenarios", type=pathlib.Path, help="{name: text} (default: scenarios.json beside the lines)"
    )
    parser.add_argument("--max_bad", type=float, default=0.0, help="share of lines that may be bad (default 0)")


def _add_review(parser: argparse.ArgumentParser) -> None:
    _add_album(parser, required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder to write to; made if missing")
    parser.add_argument("--sample", type=int, default=50, help="pictures (default 50)")
    parser.add_argument("--sample_seed", type=int, default=0, help="of their choice (default 0)")


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=pathlib.Path, help="corrections, as the page saves them; later ones win"
    )
    parser.add_argument("--reviewer", required=True, help="who looked at the lines that name nobody")
    parser.add_argument("--out", type=pathlib.Path, help="merged file (default: overrides.jsonl of the store)")


def _add_album(parser: argparse.ArgumentParser, *, required: bool) -> None:
    add = parser.add_argument_group("the pictures").add_argument
    add("--album", required=required, choices=ALBUMS, help="which pictures")
    add("--split", default="train", help="which part of them (default train)")
    add("--root", default=os.environ.get("SEMJAX_DATA"), help="folder of data sets (default: $SEMJAX_DATA)")
    add("--pictures", help="of album pictures: a folder of pictures, or an archive")
    add("--count", type=int, default=10_000, help="of album scenes: how many (default 10000)")
    add("--size", type=int, default=64, help="of album scenes: pixels of each side (default 64)")
    add("--seed", type=int, default=0, help="of album scenes (default 0)")


def _add_teacher(parser: argparse.ArgumentParser, *, required: bool) -> None:
    add = parser.add_argument_group("the teacher").add_argument
    add("--teacher", required=required, choices=TEACHERS, help="who is asked")
    add("--noise", type=float, default=0.0, help="of oracle: share of labels moved to another level (default 0)")
    add("--failures", type=float, default=0.0, help="of oracle: share of labels that fail (default 0)")
    add("--teacher_seed", type=int, default=0, help="of oracle: which ones (default 0)")
    add("--weights", help="of reader and mobilenet: file or folder (reader: the shipped one)")
    add("--annotations", type=pathlib.Path, help="of annotations: JSONL (default: that of mllm_importance in --root)")


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, type=pathlib.Path, help="root of all stores")
    parser.add_argument("--shards", type=int, default=1, help="files of the store (default 1)")
    parser.add_argument("--max_failed", type=float, default=0.05, help="share of failures that ends it (default 0.05)")


def _add_work(parser: argparse.ArgumentParser) -> None:
    _add_out(parser)
    parser.add_argument("--processes", type=int, default=1, help="processes on this machine (default 1)")
    parser.add_argument("--process_index", type=int, default=0, help="of several hosts: which one this is, from 0")
    parser.add_argument("--process_count", type=int, default=1, help="of several hosts: how many there are")
    parser.add_argument("--batch", type=int, default=32, help="pictures the teacher is shown at a time (default 32)")
    parser.add_argument("--anew", action="store_true", help="compute shards that are there, too")


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns its exit code (0 done, 2 something the user can put right)."""
    argv = sys.argv[1:] if argv is None else argv
    flags = _parser().parse_args(argv)
    flags.argv = argv
    try:
        print(flags.do(flags))
    except workers.WorkerError as error:
        return error.code  # the worker has said why
    except KeyboardInterrupt:
        print("interrupted; shards that were finished stay, and the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, DataError, ImageError, OSError) as error:
        if isinstance(error, ValueError) and type(error) is ValueError:
            raise  # no error meant for people
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        print(f"error: {told}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
