"""SA-OOSC on real pictures at equal cbr: the rows of docs/results/sa_oosc_pictures.json and sa_oosc_budget.json.

    python benchmarks/sa_oosc_pictures.py --checkpoints checkpoints --stores stores --results docs/results
    python benchmarks/sa_oosc_pictures.py --albums camvid --only student uniform_weighted

of the checkpoints sa_oosc_coco_VARIANT_SEED and sa_oosc_camvid_VARIANT_SEED, and of sa_oosc_student_0 on scenes. The
stores are those that docs/teachers.md makes, under SEMJAX_DATA lie the pictures. What is finished is kept in `--work`
and not made again: a run that was cut off goes on by the same command. `--albums`, `--only` and `--seeds` narrow what
is measured and what is written.

Every test picture is sent under every scenario for which its labels tell both something that matters (importance >=
0.55) and something that does not: 67 pairs of 30 COCO pictures, 75 of 25 of CamVid. CamVid is whole, COCO cut to 288 x
384, 384 x 288 or 288 x 288 pixels from the middle, the largest that fits (`sa_oosc_pictures_albums.py`).

Every system is in budget mode: a picture spends the same share of uses per value, whatever it holds. The share, `rate`
of 1/24, is chosen on val for each checkpoint and condition, so that with the map of lengths cbr_total is `cbr_target`:
1/24 at 1, 7 and 13 dB over AWGN and block Rayleigh fading (perfect CSI) with the ideal link, and at 7 dB with the coded
one; 1/48 at 7 dB. One draw of the channel per picture, the same for all systems and scenarios.

| row                            | of                                                                                  |
|--------------------------------|-------------------------------------------------------------------------------------|
| `psnr_high`, `psnr_low`, ...   | means over pairs; `n_pairs` of `n_images` pictures; intervals resample pictures     |
| METRIC`_gain_over_sa_oosc_...` | the difference on the same pairs under the same noise                               |
| `..._gain_over_other_scenario` | of the pixels that matter under the pair's scenario and not under another one of    |
|                                | the picture: PSNR when sent under the first, less that when sent under the other    |
| `scenario`                     | "all", or at 7 dB, AWGN, ideal link, 1/24 the pairs of one scenario                 |

A row of sa_oosc_budget.json tells the largest and the mean distance of a picture's analog uses from its budget, in the
largest step between two lengths (`step_uses`), and how far above it any picture lies; also of scenes.
"""

import argparse
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence

from sa_oosc_pictures_albums import ALBUMS
from sa_oosc_pictures_rows import BUDGET_FIELDS, PICTURE_FIELDS, budget_rows, notes, picture_rows
from sa_oosc_pictures_work import SCENES, Bench, Job, jobs_of, work

from semjax.app.errors import guard
from semjax.evaluators import results

CHOICES = (*(album.name for album in ALBUMS), SCENES)


def write(jobs: Sequence[Job], bench: Bench, folder: pathlib.Path) -> Iterator[str]:
    """Writes both files; yields their names, and what is to be known of the rows."""
    rows = [*picture_rows(jobs, bench)]
    if rows:
        yield str(results.save(rows, folder / "sa_oosc_pictures.json", fields=PICTURE_FIELDS))
    yield str(results.save([*budget_rows(jobs, bench)], folder / "sa_oosc_budget.json", fields=BUDGET_FIELDS))
    yield from notes(rows, jobs, bench)


@guard
def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=pathlib.Path, default=pathlib.Path("checkpoints"))
    parser.add_argument("--stores", type=pathlib.Path, default=pathlib.Path("stores"))
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("runs/sa_oosc_pictures"))
    parser.add_argument("--albums", nargs="+", default=[*CHOICES], choices=CHOICES)
    parser.add_argument("--only", nargs="+", default=[], metavar="VARIANT")
    parser.add_argument("--seeds", nargs="+", default=[], type=int, metavar="SEED")
    parser.add_argument("--scenes", type=int, default=1000, help="of the split test, sent in budget mode")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="checkpoints measured at a time")
    flags = parser.parse_args(argv)
    bench = Bench(work=flags.work, stores=flags.stores, scenes=flags.scenes)
    try:
        jobs = jobs_of(flags.checkpoints, flags.albums, only=flags.only, seeds=flags.seeds)
        work(jobs, bench=bench, processes=flags.jobs)
        for line in write(jobs, bench, flags.results):
            print(line)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
