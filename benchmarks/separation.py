"""The separation baseline on Kodak: picture codecs over the coded link, beside codes that achieve capacity.

    python benchmarks/separation.py validate   # bsds500 val: how to choose -> semjax/systems/validated.json
    python benchmarks/separation.py count      # lost transport blocks -> docs/results/separation_blocks.json
    python benchmarks/separation.py ladders    # fills the shelf, which the sweep would do as well
    python benchmarks/separation.py sweep      # Kodak -> docs/results/separation.json, separation_cliff.json

Pictures are read from the folder `--data` (SEMJAX_DATA); compressed ones are kept in `--shelf`. Rows of the sweep are
result rows (`separation_cliff.json`: of one scheme whatever the SNR) of these metrics:

| metric               | mean over pictures of                                                                     |
|----------------------|-------------------------------------------------------------------------------------------|
| `psnr`               | (1 - p) PSNR of the decoded picture + p PSNR of the mean colour                           |
| `psnr_clean`         | PSNR of the decoded picture                                                               |
| `psnr_sent`          | PSNR of what arrived when each picture was really sent once over the coded link           |
| `outage`             | p: over the coded link from at least 1,000 transport blocks                               |
| `lost_sent`          | share of the really sent pictures that were lost                                          |
| `fill`               | bytes of the compressed picture over bytes of its message, of pictures that fit           |
| `bpp`                | bits of the message per pixel                                                             |
| `gap_to_capacity_db` | SNR less the SNR at which a code that achieves capacity carries as many bits per use over |
|                      | AWGN, or over block fading is lost as often                                               |
| `psnr_fixed_quality` | (capacity, AWGN) all pictures at one setting, interpolated to the same mean bits per pixel|
"""

import argparse
import concurrent.futures
import functools
import json
import multiprocessing
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from separation_bler import Counts
from separation_ladders import Compressed, Picture, between, compress_all, failures, pictures
from separation_points import CLIFF_CBR, SNRS_DB, Point, fixed, points
from separation_sending import sent_once
from tqdm import tqdm

from semjax.codecs import CODECS, codec
from semjax.codecs.shelf import Shelf
from semjax.evaluators import results
from semjax.evaluators.bootstrap import mean_interval
from semjax.evaluators.results import Row
from semjax.link.schemes import Scheme
from semjax.phy.mcs import mcs
from semjax.systems.validated import FILE, validation
from semjax.training.log import git_state

VALIDATED = pathlib.Path(__file__).parents[1] / "semjax" / "systems" / FILE
BPP = tuple(round(float(r), 4) for r in np.geomspace(0.03, 4.0, 18))
CLIFF = Scheme(mcs=mcs("low_se", 15))
CLIFF_CODEC = "hevc"
CLIFF_SNRS_DB = (2.5, 3.0, 3.2, 3.4, 3.6, 3.8)
SEED = 5


def psnr(mse: np.ndarray | float) -> np.ndarray:
    """PSNR in dB of an MSE in [0, 1] units, at most 100 dB."""
    return -10 * np.log10(np.maximum(np.asarray(mse, np.float64), 1e-10))


def concealed(picture: Picture, colour: Sequence[float]) -> float:
    """PSNR of the mean colour instead of a picture."""
    shown = np.rint(np.asarray(colour) * 255) / 255
    return float(psnr(np.mean((picture / 255 - shown) ** 2)))


def validate(flags: argparse.Namespace) -> None:
    """Measures each codec on every fourth picture of bsds500 val, where all get the same bits per pixel."""
    train = pictures(flags.data, "bsds500", "train")
    colour = np.mean([picture.reshape(-1, 3).mean(axis=0) for picture in train], axis=0) / 255
    shown = pictures(flags.data, "bsds500", "val", every=4)
    lost = float(np.mean([concealed(picture, colour) for picture in shown]))
    found: dict[str, Any] = {"colour": [round(float(c), 5) for c in colour], "lost_psnr": round(lost, 4)}
    found |= {"dataset": "bsds500", "split": "val", "n_images": len(shown), **_origin()}
    found["codecs"] = json.loads(VALIDATED.read_text(encoding="utf-8"))["codecs"] if VALIDATED.exists() else {}
    for name in flags.codecs:
        pixels = shown[0].shape[0] * shown[0].shape[1]
        budgets = [int(bpp * pixels / 8) for bpp in BPP]
        made = compress_all(shown, name=name, budgets=budgets, shelf=flags.shelf)
        mean = [
            np.mean([lost if one.fitted[b] is None else psnr(one.fitted[b].mse) for one in made])  # type: ignore[union-attr]
            for b in budgets
        ]
        curve = {"bpp": BPP, "psnr": [round(float(m), 4) for m in mean], "terms": codec(name).terms}
        for line in failures(made):
            print(f"{name}: {line}; it is counted as lost")
        found["codecs"][codec(name).name] = curve
        VALIDATED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def asked(names: Sequence[str], *, pixels: int) -> dict[str, list[Point]]:
    """The points of each codec."""
    quality = validation().quality
    found = {name: [*points(quality[codec(name).name], pixels=pixels)] for name in names}
    if CLIFF_CODEC in found:
        snrs = sorted({*CLIFF_SNRS_DB, *(snr for snr in SNRS_DB if snr > min(CLIFF_SNRS_DB))})
        found[CLIFF_CODEC] += [fixed(CLIFF, snr_db=snr, pixels=pixels, cbr=CLIFF_CBR) for snr in snrs]
    return found


def count(flags: argparse.Namespace) -> None:
    """Counts the transport blocks that every coded point of every codec needs."""
    counts = Counts(flags.results / "separation_blocks.json")
    wanted = [p for own in asked(flags.codecs, pixels=flags.pixels).values() for p in own if p.scheme]
    for point in tqdm(counts.missing(wanted), unit="point"):
        row = counts.measure(point)
        tqdm.write(f"{row['channel']} {row['snr_db']:g} dB {row['scheme']}: {row['lost']} of {row['blocks']} lost")


def fitted(name: str, own: Sequence[Point], shown: Sequence[Picture], *, shelf: pathlib.Path) -> list[Compressed]:
    """All pictures by one codec, in the budgets of its points and at settings spread over those that they need."""
    budgets = sorted({p.budget for p in own})
    tried = between(compress_all(shown, name=name, budgets=budgets, shelf=shelf))
    made = compress_all(shown, name=name, budgets=budgets, tried=tried, shelf=shelf)
    for line in failures(made):
        print(f"{name}: {line}; it is counted as lost")
    return made


def ladders(flags: argparse.Namespace) -> None:
    """Fills the shelf with what the sweep needs, and measures nothing."""
    shown = pictures(flags.data, "kodak24", None)
    for name, own in asked(flags.codecs, pixels=shown[0].shape[0] * shown[0].shape[1]).items():
        fitted(name, own, shown, shelf=flags.shelf)


def sweep(flags: argparse.Namespace) -> None:
    """Measures Kodak, a codec to each core, and writes the rows codec by codec."""
    rows: dict[str, list[Row]] = {"separation.json": [], "separation_cliff.json": []}
    with concurrent.futures.ProcessPoolExecutor(flags.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for found in pool.map(functools.partial(measured, flags=flags), flags.codecs):
            for file, own in found.items():
                rows[file] += own
                results.save(rows[file], flags.results / file, fields=results.FIELDS)
    print(f"{len(rows['separation.json'])} rows in {flags.results / 'separation.json'}")


def measured(name: str, *, flags: argparse.Namespace) -> dict[str, list[Row]]:
    """The rows of one codec, by file."""
    _keep_programs(flags)
    shown = pictures(flags.data, "kodak24", None)
    counts = Counts(flags.results / "separation_blocks.json")
    pixels = shown[0].shape[0] * shown[0].shape[1]
    own = asked([name], pixels=pixels)[name]
    made = fitted(name, own, shown, shelf=flags.shelf)
    rows: dict[str, list[Row]] = {"separation.json": [], "separation_cliff.json": []}
    for point in tqdm(own, desc=f"{name}, sent", unit="point"):
        file = "separation.json" if point.chosen else "separation_cliff.json"
        rows[file] += _rows(name, point, made, shown, counts=counts, shelf=flags.shelf)
    return rows


def _keep_programs(flags: argparse.Namespace) -> None:
    jax.config.update("jax_compilation_cache_dir", str(flags.shelf / "compiled"))


def _rows(
    name: str,
    point: Point,
    made: Sequence[Compressed],
    shown: Sequence[Picture],
    *,
    counts: Counts,
    shelf: pathlib.Path,
) -> Iterator[Row]:
    """The rows of one point."""
    lost = counts.lost(point) if point.scheme else point.lost
    fitted = [one.fitted[point.budget] for one in made]
    hidden = np.asarray([concealed(picture, validation().colour) for picture in shown])
    clean = np.asarray([h if f is None else float(psnr(f.mse)) for f, h in zip(fitted, hidden, strict=True)])
    values: dict[str, np.ndarray] = {
        "psnr": (1 - lost) * clean + lost * hidden,
        "psnr_clean": clean,
        "outage": np.asarray([1.0 if f is None else lost for f in fitted]),
        "bpp": np.full(len(shown), 8 * point.budget / (shown[0].shape[0] * shown[0].shape[1])),
    }
    full = [f.size / point.budget for f in fitted if f is not None]
    values |= {"fill": np.asarray(full)} if full else {}
    if point.scheme:
        values["gap_to_capacity_db"] = np.full(len(shown), gap_to_capacity_db(point, lost))
        seen = sent_once(name, point, shown, shelf=Shelf(shelf), seed=SEED)
        values |= {"psnr_sent": psnr(seen.mse), "lost_sent": seen.lost.astype(float)}
    elif point.link == "ideal" and point.channel_name == "awgn":
        values |= _at_fixed_quality(point, made, shown)
    for metric, numbers in values.items():
        yield _row(name, point, metric, numbers, pixels=shown[0].shape[0] * shown[0].shape[1])


def gap_to_capacity_db(point: Point, lost: float) -> float:
    """How much SNR a code that achieves capacity would save; see the module."""
    least = 2 ** (8 * point.budget / point.spent) - 1
    enough = least if point.channel_name == "awgn" else least / -np.log1p(-max(lost, 1e-9))
    return float(point.snr_db - 10 * np.log10(enough))


def _at_fixed_quality(point: Point, made: Sequence[Compressed], shown: Sequence[Picture]) -> Mapping[str, np.ndarray]:
    """PSNR of each picture when all have one setting, between the two whose mean size is next to the point's."""
    indices = sorted(set.intersection(*(set(one.tried) for one in made)))
    size = [np.mean([one.tried[i].size for one in made]) for i in indices]
    if not indices or not size[0] <= point.budget <= size[-1]:
        return {}
    each = np.asarray([[float(psnr(one.tried[i].mse)) for i in indices] for one in made])
    log = np.log(np.asarray(size, np.float64))
    return {"psnr_fixed_quality": np.asarray([np.interp(np.log(point.budget), log, line) for line in each])}


def _row(name: str, point: Point, metric: str, values: np.ndarray, *, pixels: int) -> Row:
    interval = mean_interval(values)
    spent = point.spent / (3 * pixels)
    made = codec(name)
    return {
        "system": "separation",
        "variant": made.name,
        "checkpoint": made.terms,
        "commit": _origin()["commit"],
        "config_hash": "",
        "dataset": "kodak24",
        "split": "test",
        "channel": point.channel_name,
        "csi": "none" if point.channel_name == "awgn" else "perfect",
        "side_link": "coded" if point.scheme else "ideal",
        "link_terms": point.terms,
        "snr_db": point.snr_db,
        "told_snr_db": point.snr_db,
        "rate": 1.0,
        "cbr_analog": 0.0,
        "cbr_digital": spent,
        "cbr_side": 0.0,
        "cbr_total": spent,
        "metric": metric,
        "mean": interval.mean,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "n_images": len(values),
        "n_draws": 1,
        "seed": SEED,
    }


def _origin() -> dict[str, Any]:
    git = git_state()
    return {"commit": (git["commit"] or "")[:12] + ("+" if git["dirty"] else "")}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = {"validate": validate, "count": count, "ladders": ladders, "sweep": sweep}
    parser.add_argument("step", choices=steps)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(os.environ.get("SEMJAX_DATA", "data")))
    parser.add_argument("--shelf", type=pathlib.Path, default=pathlib.Path("runs/shelf"))
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--codecs", nargs="+", default=[*CODECS], choices=[*CODECS])
    parser.add_argument("--pixels", type=int, default=768 * 512, help="of the pictures that blocks are counted for")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="codecs measured at a time")
    flags = parser.parse_args()
    _keep_programs(flags)
    steps[flags.step](flags)


if __name__ == "__main__":
    main()
