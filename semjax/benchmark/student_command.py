"""`python -m semjax.benchmark train-student | predict`: the student from pixels, made and asked.

Both read pictures, masks and the tower's weights from the folder of the data sets, and take minutes without an
accelerator. What `predict` writes is scored as anybody's predictions are:

    python -m semjax.benchmark train-student --data DIR student.npz
    python -m semjax.benchmark predict --data DIR --student student.npz --split test student.jsonl
    python -m semjax.benchmark sa-importance --predictions student.jsonl --name "picture student"
"""

import argparse
import pathlib

from semjax.benchmark import coco_part, predictions, student
from semjax.benchmark.labels import NAME, load
from semjax.benchmark.lessons import WEIGHTS, lessons, read_tower, sight
from semjax.benchmark.objects import BenchmarkError
from semjax.importance.base import ImportanceError
from semjax.importance.picture_student import SHIPPED, Student, load_student, save_student


def add_training(parser: argparse.ArgumentParser) -> None:
    """Options of `train-student`."""
    _add_data(parser)
    parser.add_argument("out", type=pathlib.Path, metavar="FILE", help="the student to write, .npz")


def add_predicting(parser: argparse.ArgumentParser) -> None:
    """Options of `predict`."""
    _add_data(parser)
    parser.add_argument("--student", default=SHIPPED[0], help=f"{' or '.join(SHIPPED)} (shipped), or a file")
    parser.add_argument("--split", default="test", choices=coco_part.SPLITS, help="of the photographs (default test)")
    parser.add_argument("out", type=pathlib.Path, metavar="FILE", help="the predictions to write, .jsonl")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of mllm_importance and coco_vl")
    parser.add_argument("--tower", type=pathlib.Path, help=f"MobileNet's weights (default: {WEIGHTS} in that folder)")


def train(args: argparse.Namespace) -> str:
    """Fits students on train, chooses among them on val, writes the chosen one."""
    tower, digest = read_tower(args.tower or args.data / WEIGHTS)
    taught, asked = (lessons(args.data, split, sight(tower)) for split in ("train", "val"))
    params, errors = student.chosen(taught, asked)
    about = f"{len(taught)} pictures of {NAME}, coco, train; ridge {min(errors, key=errors.__getitem__):g} by val"
    save_student(Student(params=params, scenarios=tuple(coco_part.scenarios()), tower=digest, about=about), args.out)
    told = [f"ridge {ridge:g}: mean squared error on val {value:.5f}" for ridge, value in errors.items()]
    return "\n".join([*told, f"wrote a student of {about} to {args.out}"])


def predict(args: argparse.Namespace) -> str:
    """Writes what a student says of the objects of a split."""
    try:
        asked = load_student(args.student)
    except ImportanceError as error:
        raise BenchmarkError(str(error)) from error
    if asked.scenarios != tuple(coco_part.scenarios()):
        raise BenchmarkError(
            f"the student {args.student} knows the scenarios {', '.join(asked.scenarios)}; the photographs have "
            f"{', '.join(coco_part.scenarios())}"
        )
    path = args.tower or args.data / WEIGHTS
    tower, digest = read_tower(path)
    if digest != asked.tower:
        raise BenchmarkError(f"the student {args.student} was trained on another tower than {path} (SHA-256 differs)")
    said = student.predict(asked.params, lessons(args.data, args.split, sight(tower)))
    predictions.write(said, load("coco", args.split), args.out)
    return f"wrote what the student {args.student} says of coco {args.split} to {args.out}"
