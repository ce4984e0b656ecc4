"""Albums and teachers by the name on the command line, each made from the parsed flags.

What a name needs is imported when it is asked for.
"""

import argparse
import pathlib
from collections.abc import Callable, Mapping

from semjax.data.files import ArchiveSource, FolderSource
from semjax.teachers.albums import PicturesAlbum, ScenesAlbum
from semjax.teachers.base import Album, Teacher
from semjax.teachers.oracle import Oracle
from semjax.teachers.precompute import PrecomputeError


def _scenes(flags: argparse.Namespace) -> Album:
    return ScenesAlbum(size=flags.size, split=flags.split, count=flags.count, seed=flags.seed)


def _pictures(flags: argparse.Namespace) -> Album:
    root = _needed(flags, "pictures", "a folder of pictures, or of images.tar and images.index.json")
    archive = (root / "images.tar").is_file()
    source = ArchiveSource(root, split=flags.split) if archive else FolderSource(root)
    return PicturesAlbum(source, root.resolve().name, flags.split)


def _coco(flags: argparse.Namespace) -> Album:
    from semjax.teachers.coco import CocoAlbum

    return CocoAlbum(_needed(flags, "root", "the folder that holds coco_vl and mllm_importance"), flags.split)


def _camvid(flags: argparse.Namespace) -> Album:
    from semjax.teachers.camvid import CamVidAlbum

    return CamVidAlbum(_needed(flags, "root", "the folder that holds camvid"), flags.split)


def _daquar(flags: argparse.Namespace) -> Album:
    from semjax.teachers.daquar import DaquarAlbum

    return DaquarAlbum(_needed(flags, "root", "the folder that holds daquar_vqa"), flags.split)


def _oracle(flags: argparse.Namespace, album: Album) -> Teacher:
    return Oracle(noise=flags.noise, failures=flags.failures, seed=flags.teacher_seed)


def _reader(flags: argparse.Namespace, album: Album) -> Teacher:
    from semjax.teachers import reader_weights
    from semjax.teachers.reader import Reader

    return Reader.default() if flags.weights is None else Reader(weights=reader_weights.load(flags.weights))


def _mobilenet(flags: argparse.Namespace, album: Album) -> Teacher:
    from semjax.teachers.mobilenet import MobileNet

    return MobileNet(_needed(flags, "weights", "the folder with mobilenet_v1_0.75_224.npz"))


def _annotations(flags: argparse.Namespace, album: Album) -> Teacher:
    from semjax.teachers.annotations import Annotations
    from semjax.teachers.jsonl import read_annotations

    if flags.annotations is None and not album.scenarios:
        return Annotations({})
    path = flags.annotations
    if path is None:
        path = _needed(flags, "root", "the folder that holds mllm_importance") / "mllm_importance" / "annotations.jsonl"
    return Annotations(read_annotations(path, album.scenarios))


def _camvid_rules(flags: argparse.Namespace, album: Album) -> Teacher:
    from semjax.teachers.camvid_rules import RuleAnnotations

    return RuleAnnotations()


ALBUMS: Mapping[str, Callable[[argparse.Namespace], Album]] = {
    "scenes": _scenes,
    "pictures": _pictures,
    "coco": _coco,
    "camvid": _camvid,
    "daquar": _daquar,
}
"""Albums by name."""

TEACHERS: Mapping[str, Callable[[argparse.Namespace, Album], Teacher]] = {
    "oracle": _oracle,
    "reader": _reader,
    "mobilenet": _mobilenet,
    "annotations": _annotations,
    "camvid_rules": _camvid_rules,
}
"""Teachers by name."""


def _needed(flags: argparse.Namespace, name: str, what: str) -> pathlib.Path:
    value = getattr(flags, name)
    if value is None:
        raise PrecomputeError(f"--{name} is missing: {what}")
    return pathlib.Path(value)
