"""`python -m semjax.benchmark COMMAND`: labels, scores, and a student.

sa-importance scores predicted importance, train-student and predict make and ask the student from pixels, build makes
the labels' file anew.
"""

import argparse
import pathlib
import sys

from semjax.benchmark import coco_part, sa_importance, student_command
from semjax.benchmark.objects import BenchmarkError


def _build(args: argparse.Namespace) -> str:
    text = coco_part.build(args.data)
    args.out.write_text(text, encoding="utf-8")
    return f"wrote {text.count(chr(10)) - 1} pictures to {args.out}, SHA-256 {coco_part.digest(text)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m semjax.benchmark", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "score a file of predictions beside the baselines"
    score = commands.add_parser("sa-importance", help=about, description=about)
    sa_importance.add_arguments(score)
    score.set_defaults(do=sa_importance.run)
    about = "make a student from pixels, of the photographs of train and val"
    training = commands.add_parser("train-student", help=about, description=about)
    student_command.add_training(training)
    training.set_defaults(do=student_command.train)
    about = "write what a student says of the photographs of a split, as a file of predictions"
    predicting = commands.add_parser("predict", help=about, description=about)
    student_command.add_predicting(predicting)
    predicting.set_defaults(do=student_command.predict)
    about = "make the file of the labels from the data sets"
    build = commands.add_parser("build", help=about, description=about)
    build.add_argument("--data", type=pathlib.Path, required=True, help="folder of mllm_importance and coco_vl")
    build.add_argument("--out", type=pathlib.Path, default=coco_part.FILE, help="default: the file in the package")
    build.set_defaults(do=_build)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs a command; returns its exit code (0 done, 2 labels or predictions are not as they should be)."""
    args = _parser().parse_args(argv)
    try:
        print(args.do(args))
    except (BenchmarkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
