"""How many training pictures per second each source delivers, beside what a training step takes.

    python benchmarks/pipeline.py --root $SEMJAX_DATA/bsds500 --step_images_per_s 60 --output docs/results/pipeline.json

The same pictures (of an archive) are laid out as an archive, a folder, records and a prepared tfds set, in a temporary
folder; beside them stand the archive decoded once and kept (cached) and scenes. Every source goes through the loader of
training: random crops, the same threads. Turns are taken source by source, `--repetitions` times over, so that what
else the machine does hits all of them; the median is the result. Pictures have been read once before they are timed, so
this is decoding, not the disk.

The step's speed is given by `--step_images_per_s`, for pictures of `--crop`; or read from a file of
`benchmarks/step.py` (its largest batch), and then compared by pixels, since its pictures are of another size. A ratio
above 1 says that the step waits for nothing. Run it on an idle machine; a few minutes on two cores.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from semjax.data.entries import encoded
from semjax.data.files import ArchiveSource, FolderSource, Source
from semjax.data.loader import train_loader
from semjax.data.pack import pack
from semjax.data.records_source import RecordsSource, write_records
from semjax.data.sources import CachedSource, ScenesSource
from semjax.data.tfds_source import TfdsSource
from semjax.training.log import git_state

PREFETCH = 4
STEP_SIDE = 32
"""Side of the pictures in a file of `benchmarks/step.py` that does not say it."""


def lay_out(archive: ArchiveSource, count: int, folder: pathlib.Path) -> dict[str, Source]:
    """The first `count` pictures of an archive in every form."""
    files = folder / "files" / "train"
    files.mkdir(parents=True)
    for i in range(min(count, len(archive))):
        (files / f"{i:05d}{pathlib.Path(archive.files[i]).suffix}").write_bytes(encoded(archive, i) or b"")
    pack(files.parent, folder / "archive")
    write_records(files.parent, folder / "records")
    return {
        "archive": ArchiveSource(folder / "archive"),
        "folder": FolderSource(files.parent),
        "records": RecordsSource(folder / "records"),
        "tfds": TfdsSource(_prepare(files, folder / "tfds"), data_dir=str(folder / "tfds")),
        "cached": CachedSource(ArchiveSource(folder / "archive")),
    }


def _prepare(files: pathlib.Path, data_dir: pathlib.Path) -> str:
    """A tfds set of the files as they are; returns its name."""
    import tensorflow_datasets as tfds

    class Pictures(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """The files of a folder."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(None, None, 3))})
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[int, dict[str, bytes]]]:
            for i, file in enumerate(sorted(files.iterdir())):
                yield i, {"image": file.read_bytes()}

    tfds.disable_progress_bar()
    builder = Pictures(data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    return builder.name


def images_per_s(source: Source, args: argparse.Namespace) -> float:
    """The speed over some batches of a loader of its own, so that no reader works during the turn of another."""
    options = {"batch_size": args.batch_size, "crop": args.crop, "seed": 0, "threads": args.threads}
    with train_loader(source, **options, prefetch=PREFETCH) as loader:
        for _ in range(PREFETCH):  # those made while nobody waited
            next(loader)
        start = time.perf_counter()
        rows = sum(len(batch["id"]) for batch in itertools.islice(loader, args.batches))
        return rows / (time.perf_counter() - start)


def step_speed(given: float | None, path: pathlib.Path, crop: int) -> dict[str, Any]:
    """Pictures per second of a training step, scaled to pictures of `crop`, and where the figure is from."""
    if given:
        return {"images_per_s": given, "from": "--step_images_per_s"}
    if not path.is_file():
        raise SystemExit(f"there is no {path}; give --step_images_per_s=X, or the file of benchmarks/step.py")
    rows = [row for row in json.loads(path.read_text()) if row.get("job") == "step" and "jax" in row.get("ms", {})]
    row = max(rows, key=lambda row: row["batch"])
    side = row.get("side", STEP_SIDE)
    speed = row["batch"] / row["ms"]["jax"] * 1e3
    return {"images_per_s": speed * (side / crop) ** 2, "from": f"{path.name}: {speed:.0f} of {side}x{side}, by pixels"}


def measure(sources: dict[str, Source], args: argparse.Namespace) -> dict[str, float]:
    """The median speed of each source, in turns; the first turn only warms up."""
    turns = [
        {name: images_per_s(source, args) for name, source in sources.items()} for _ in range(args.repetitions + 1)
    ]
    return {name: statistics.median(turn[name] for turn in turns[1:]) for name in sources}


def main(argv: list[str] | None = None) -> None:
    """Measures all sources, prints the table and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, type=pathlib.Path, help="an archive of pictures")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=32, help="timed, per turn; many against those made ahead")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--step_images_per_s", type=float)
    parser.add_argument("--step_file", type=pathlib.Path, default=pathlib.Path("docs/results/step_benchmark.json"))
    parser.add_argument("--output", type=pathlib.Path)
    args = parser.parse_args(argv)
    step, load = step_speed(args.step_images_per_s, args.step_file, args.crop), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        sources = lay_out(ArchiveSource(args.root), args.pictures, pathlib.Path(folder))
        speeds = measure({**sources, "scenes": ScenesSource(size=args.crop, count=args.pictures)}, args)
    print(f"one training step takes {step['images_per_s']:,.1f} images/s ({step['from']})")
    print(f"{'source':8} {'images/s':>10} {'per step':>9}   crop {args.crop}, {args.threads} threads")
    for name, speed in speeds.items():
        print(f"{name:8} {speed:10,.1f} {speed / step['images_per_s']:9.2f}")
    if args.output:
        told = {key: value for key, value in vars(args).items() if not isinstance(value, pathlib.Path)}
        facts = {
            "images_per_s": {name: round(speed, 1) for name, speed in speeds.items()},
            "step": step,
            **told,
            "pictures_of": args.root.name,
            "load_average": [load, os.getloadavg()[0]],
            "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "commit": git_state()["commit"],
        }
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
