"""SA-OOSC on scenes: the rows of docs/results/sa_oosc_*.json from the checkpoints sa_oosc_VARIANT_SEED.

    python benchmarks/sa_oosc.py --checkpoints checkpoints --results docs/results
    python benchmarks/sa_oosc.py --parts main --only student uniform_weighted --seeds 0 --pictures 64 --val 64

What is finished is kept in `--work` and not made again: a run that was cut off goes on by the same command. `--only`
and `--seeds` narrow what is measured and what is written.

Scenes of 128 x 128 pixels, each under a scenario drawn for it. Rate tokens are calibrated on the first `--val` scenes
of val; everything is measured on the first `--pictures` of test or of a held-out split, with one draw of the channel
per picture, the same for all systems. Block Rayleigh fading has perfect CSI; the coded link is that of `semjax.link`.

| part         | file         | what                                                                                  |
|--------------|--------------|---------------------------------------------------------------------------------------|
| `main`       | `scenes`     | every variant at cbr_total 1/48, SNR 1, 7, 13 dB, AWGN and block Rayleigh, side       |
|              |              | information over the ideal and (three seeds) over the coded link; gains at equal cbr  |
|              | `tokens`     | the rate token of each of these rows, and what it spent on test                       |
|              | `received`   | over block Rayleigh fading: gains of pictures that arrive below 0 dB and of others    |
| `ablations`  | `ablations`  | checkpoints of other names, one seed, beside the student: AWGN, ideal link; gains of  |
|              |              | the student, and of a failed label of weight 0 over one of importance 0               |
| `held_out`   | `held_out`   | 7 dB, AWGN, ideal link, the tokens of `main`, on splits that hold something out;      |
|              |              | `kept_...`: the gain there as a share of the gain on test                             |
| `rates`      | `rates`      | one model (the first seed) at SNR 0 to 14 dB and four rate tokens                     |
|              | `bd`         | cbr of the student against `uniform_weighted` at equal psnr_high, in per cent         |
| `side`       | `side`       | share of the uses that side information takes, per SNR and rate token                 |
|              | `maps`       | bits of the map of lengths: sent, of its prior, and at the zeroth-order entropy       |
| `importance` | `importance` | regions (objects and the background) and their importance at the transmitter          |
| `others`     | `others`     | DeepJSCC, SwinJSCC and separation at the conditions of `main`, from the checkpoints   |
|              |              | deepjscc_scenes_0, swinjscc_scenes_0 and the codecs installed; gains of two variants  |

Rows of one training have its `seed` and `checkpoint`. Rows with `seed` -1 are the mean over all seeds of a variant that
has several; their intervals resample seeds and pictures, and `rate` and cbr are means. Other intervals resample
pictures. METRIC_gain_over_sa_oosc_VARIANT is the difference on the same pictures under the same noise, seed by seed.

| metric                       | of                                                                                    |
|------------------------------|---------------------------------------------------------------------------------------|
| `psnr_high`, `psnr_low`      | pixels of regions of importance >= 0.55 under the scenario, and of the others         |
| `iw_psnr`, `ssim_high`       | see `semjax.evaluators.regions`                                                       |
| `answer_intent`, `_control`  | share of questions that the Reader answers rightly: on what matters, on what does not |
| `outage`                     | share of pictures whose map of lengths was lost (coded link); they are inside means   |
| `auc`, `f1`                  | regions of importance >= 0.55 by the mean score of their pixels; threshold from val   |
| `spearman`                   | score of regions against their true importance                                        |
| `spearman_importance_length` | over the tokens of a picture, mean over pictures                                      |
| `spearman_truth_length`      | true importance of regions against the mean length of their tokens                    |
"""

import argparse
import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Iterator

from sa_oosc_maps import bd_files, importance_files, importance_tasks, side_files, side_tasks
from sa_oosc_models import models
from sa_oosc_others import others_files, others_first, others_tasks
from sa_oosc_parts import (
    File,
    Models,
    ablations_files,
    ablations_tasks,
    held_out_files,
    held_out_tasks,
    main_files,
    main_tasks,
    notes,
    out_of_reach,
    rates_files,
    rates_tasks,
)
from sa_oosc_received import received_files
from sa_oosc_work import Bench, Wanted, work

from semjax.evaluators import results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What is to be made, and the files that are written of it."""

    tasks: Callable[[Models, Bench], Iterator[Wanted]]
    files: tuple[Callable[[Models, Bench], Iterator[File]], ...]
    first: Callable[[Models, Bench], Iterator[Wanted]] = lambda models, bench: iter(())
    """What must have been made before `tasks` can say what else is to be made."""


PARTS = {
    "main": Part(tasks=main_tasks, files=(main_files, received_files)),
    "ablations": Part(tasks=ablations_tasks, files=(ablations_files,)),
    "held_out": Part(tasks=held_out_tasks, files=(held_out_files,)),
    "rates": Part(tasks=rates_tasks, files=(rates_files, bd_files)),
    "side": Part(tasks=side_tasks, files=(side_files,)),
    "importance": Part(tasks=importance_tasks, files=(importance_files,)),
    "others": Part(first=others_first, tasks=others_tasks, files=(others_files,)),
}


def write(parts: list[str], chosen: Models, bench: Bench, folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Writes the files of the parts, and says which rows miss the cbr asked for."""
    for part in parts:
        for make in PARTS[part].files:
            for file in make(chosen, bench):
                yield results.save(file.rows, folder / f"sa_oosc_{file.name}.json", fields=file.fields)
                if file.name == "tokens":
                    print(*out_of_reach(chosen, bench), *notes(file.rows), sep="\n")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=pathlib.Path, default=pathlib.Path("checkpoints"))
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("runs/sa_oosc_benchmark"))
    parser.add_argument("--parts", nargs="+", default=[*PARTS], choices=[*PARTS])
    parser.add_argument("--only", nargs="+", default=[], metavar="VARIANT")
    parser.add_argument("--seeds", nargs="+", default=[], type=int, metavar="SEED")
    parser.add_argument("--pictures", type=int, default=1000, help="of test and of each held-out split")
    parser.add_argument("--val", type=int, default=256, help="that tokens and thresholds are chosen on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="checkpoints measured at a time")
    flags = parser.parse_args(argv)
    bench = Bench(work=flags.work, pictures=flags.pictures, val=flags.val)
    try:
        chosen = models(flags.checkpoints, only=flags.only, seeds=flags.seeds)
        for told in ("first", "tasks"):
            wanted = [one for part in flags.parts for one in getattr(PARTS[part], told)(chosen, bench)]
            work(wanted, bench=bench, jobs=flags.jobs)
        for path in write(flags.parts, chosen, bench, flags.results):
            print(path)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
