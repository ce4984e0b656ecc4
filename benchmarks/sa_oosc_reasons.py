"""Why important tokens arrive worse on CamVid when they are sent longer: the rows of docs/results/sa_oosc_reasons.json.

    python benchmarks/sa_oosc_reasons.py --checkpoints checkpoints --stores stores --results docs/results

The networks of one checkpoint send all test pairs of CamVid (`sa_oosc_pictures.py`) at 7 dB over AWGN, ideal link, in
budget mode at the token that meets cbr_total 1/24 on val for its own lengths of each kind, with

| lengths      | each token is as long as                                                                              |
|--------------|-------------------------------------------------------------------------------------------------------|
| `equal`      | its bits say                                                                                          |
| `important`  | its bits, multiplied by the teacher's importance, say                                                 |
| `cut`        | `important`, as sent; the receiver is told the shorter of both lengths of each token, and uses no more|

`cut` is no system: no receiver knows the lengths that were not sent. What it gains over `important` is what the longer
tokens cost at the receiver.

| row                      | of                                                                                       |
|--------------------------|------------------------------------------------------------------------------------------|
| `psnr_high`, `psnr_low`  | means over pairs, `tokens` "all"; intervals resample pictures                             |
| `psnr`                   | of the mean squared error of tokens in which everything matters, by their equal length    |
| `dimensions`, `energy`   | of these: mean real dimensions, and mean energy as sent (a picture's mean use has 1)      |
"""

import argparse
import dataclasses
import math
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from sa_oosc_models import SEED, SYSTEM, links
from sa_oosc_pictures_albums import ALBUMS, Pairs, pairs
from sa_oosc_pictures_ends import FULL, SHARES, BudgetEnds, BudgetModel, mean_cbr, met, tried
from sa_oosc_pictures_rows import pooled_pairs
from sa_oosc_pictures_work import CENTRE
from sa_oosc_rows import commit

from semjax.app.errors import guard
from semjax.bottlenecks.linear import PATCH
from semjax.evaluators import results
from semjax.evaluators.regions import HIGH, mattering, region_scores
from semjax.types import Received

ALBUM = next(album for album in ALBUMS if album.name == "camvid")
NETWORKS = ("uniform_weighted", "static")
EQUAL, IMPORTANT, CUT = "equal", "important", "cut"
VARIANTS = {EQUAL: "uniform_weighted", IMPORTANT: "oracle"}
EDGES = (0, 16, 32, 128)
"""Equal lengths at which groups of tokens begin."""
WHOLLY = 0.99
METRICS = ("psnr_high", "psnr_low")
FIELDS = (
    *("system", "networks", "lengths", "tokens", "checkpoint", "commit", "config_hash", "dataset", "split", "channel"),
    *("side_link", "snr_db", "rate", "cbr_total", "metric", "mean", "ci_low", "ci_high", "n_images", "n_pairs"),
    *("n_tokens", "seed"),
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Arrived:
    """What arrived of one batch.

    Attributes:
      image: pictures.
      lengths: real dimensions of each token that the receiver used; energy: what was sent in them.
      cbr: all uses per value.
    """

    image: Float[np.ndarray, "b h w 3"]
    lengths: Int[np.ndarray, "b i j"]
    energy: Float[np.ndarray, "b i j"]
    cbr: Float[np.ndarray, "b"]


def shortened(symbols: np.ndarray, lengths: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The symbols of a picture of which each token keeps its first `kept` real dimensions, packed again.

    Args:
      symbols: complex, token by token.
      lengths: real dimensions of each token among them.
      kept: of each token, no more than `lengths`.
    """
    starts = np.cumsum(lengths // 2) - lengths // 2
    chosen = [symbols[start : start + count] for start, count in zip(starts, kept // 2, strict=True)]
    whole = np.zeros_like(symbols)
    packed = np.concatenate(chosen)
    whole[: len(packed)] = packed
    return whole


def energies(symbols: np.ndarray, lengths: np.ndarray) -> Float[np.ndarray, "n"]:
    """The energy of each token of a picture."""
    ends = np.cumsum(lengths // 2)
    sums = np.concatenate([[0.0], np.cumsum(np.abs(symbols) ** 2)])
    return sums[ends] - sums[ends - lengths // 2]


def arrived(
    ends: BudgetEnds, shown: Pairs, *, token: float, told: Sequence[Int[np.ndarray, "b i j"]] | None = None
) -> Iterator[Arrived]:
    """Sends all pairs, batch by batch; `told` are lengths beyond which the receiver uses nothing."""
    over, key = dataclasses.replace(ends.chain, links=links(CENTRE.link)), jax.random.key(SEED)
    levels = np.asarray(ends.rates.levels)
    for n, batch in enumerate(shown.batches()):
        sent, public = ends.sent(batch, token=token, snr_db=CENTRE.snr_db)
        came = over.deliver(sent, channel=CENTRE.analog, key=key, draw=0, ids=batch["id"], snr_db=public.snr_db)
        uses = sum(np.asarray(each, np.float64) for each in came.uses.values())
        lengths = levels[np.asarray(came.ints["rates"])]
        pairs_of_rows = zip(np.asarray(sent.symbols), lengths, strict=True)
        energy = np.stack([energies(row, own.ravel()).reshape(own.shape) for row, own in pairs_of_rows])
        if told is not None:
            came, lengths = _told_less(came, lengths, np.minimum(lengths, told[n]), levels)
        image = np.asarray(over.decode(ends.variables, ends.frozen, received=came, public=public))
        yield Arrived(image=image, lengths=lengths, energy=energy, cbr=uses / (3 * public.height * public.width))


def _told_less(came: Received, lengths: np.ndarray, kept: np.ndarray, levels: np.ndarray) -> tuple[Received, Any]:
    rows = zip(np.asarray(came.symbols), lengths, kept, strict=True)
    symbols = jnp.asarray(np.stack([shortened(row, own.ravel(), less.ravel()) for row, own, less in rows]))
    index = jnp.asarray(np.searchsorted(levels, kept).astype(np.int32))
    return dataclasses.replace(came, symbols=symbols, ints={**came.ints, "rates": index}), kept


def token_of(ends: BudgetEnds, shown: Pairs) -> float:
    """The token that meets `FULL` with the map of lengths on these pairs."""
    parts = [tried(ends, shown, token=share) for share in SHARES]
    return float(np.float32(met(FULL, SHARES, [mean_cbr(part, CENTRE, constant=ends.constant) for part in parts])))


def model(folder: pathlib.Path, lengths: str) -> BudgetModel:
    """A checkpoint with lengths of another kind."""
    changes = (("system.variant", VARIANTS[lengths]), ("system.start", "''"))
    return BudgetModel(folder=folder, variant=VARIANTS[lengths], seed=0, changes=changes)


def measured(folder: pathlib.Path, stores: pathlib.Path) -> Iterator[results.Row]:
    """The rows of one checkpoint."""
    val, test = (pairs(ALBUM, split, stores) for split in ("val", "test"))
    made: dict[str, tuple[float, list[Arrived]]] = {}
    for lengths in VARIANTS:
        ends = BudgetEnds(model(folder, lengths))
        ends.once = False
        token = token_of(ends, val)
        made[lengths] = token, [*arrived(ends, test, token=token)]
        if lengths == IMPORTANT:
            told = [one.lengths for one in made[EQUAL][1]]
            made[CUT] = token, [*arrived(ends, test, token=token, told=told)]
    for lengths, (token, batches) in made.items():
        about = {"lengths": lengths, "rate": token, "config_hash": model(folder, EQUAL).config_hash}
        yield from (_common(folder) | about | row for row in _rows(batches, made[EQUAL][1], test))


def _common(folder: pathlib.Path) -> results.Row:
    about = {"system": SYSTEM, "networks": folder.name.split("_", 3)[3].rpartition("_")[0], "checkpoint": folder.name}
    where = {"channel": CENTRE.channel, "side_link": CENTRE.link, "snr_db": CENTRE.snr_db}
    return {**about, **where, "commit": commit(), "dataset": ALBUM.dataset, "split": "test", "seed": 0}


def _rows(batches: Sequence[Arrived], equal: Sequence[Arrived], shown: Pairs) -> Iterator[results.Row]:
    scores, groups = [], []
    for one, same, batch in zip(batches, equal, shown.batches(), strict=True):
        mask = batch["_mask"]
        found = region_scores(jnp.asarray(one.image), jnp.asarray(batch["image"]), mattering(batch), METRICS)
        scores.append({name: np.asarray(values)[mask] for name, values in found.items()})
        scores[-1] |= {"id": batch["id"][mask], "cbr": one.cbr[mask]}
        groups.append(tuple(values[mask] for values in (_wholly(batch), same.lengths, *_of_tokens(one, batch))))
    told = {name: np.concatenate([each[name] for each in scores]) for name in scores[0]}
    wholly, length, error, dimensions, energy = (np.concatenate([g[i].ravel() for g in groups]) for i in range(5))
    cbr = {"cbr_total": float(told["cbr"].mean())}
    cbr |= {"n_images": len(np.unique(told["id"])), "n_pairs": len(told["id"])}
    for metric in METRICS:
        found = pooled_pairs([told["id"]], [told[metric]]).interval
        interval = {"mean": found.mean, "ci_low": found.low, "ci_high": found.high}
        yield {"tokens": "all", "metric": metric, **interval, "n_tokens": len(length), **cbr}
    for first, end in zip(EDGES, (*EDGES[1:], np.inf), strict=True):
        here = (wholly > WHOLLY) & (length >= first) & (length < end)
        values = {"psnr": -10 * np.log10(error[here].mean())}
        values |= {"dimensions": dimensions[here].mean(), "energy": energy[here].mean()}
        name = f"{first} to {end - 1}" if np.isfinite(end) else f"{first}"
        for metric, value in values.items():
            interval = {"mean": float(value), "ci_low": math.nan, "ci_high": math.nan}
            yield {"tokens": name, "metric": metric, **interval, "n_tokens": int(here.sum()), **cbr}


def _blocks(values: Float[np.ndarray, "b h w"]) -> Float[np.ndarray, "b i j"]:
    """Means over the pixels of each token; the last ones repeat the edge, as the transmitter does."""
    b, h, w = values.shape
    padded = np.pad(values, ((0, 0), (0, -h % PATCH), (0, -w % PATCH)), mode="edge")
    return padded.reshape(b, padded.shape[1] // PATCH, PATCH, -1, PATCH).mean(axis=(2, 4))


def _wholly(batch: Any) -> Float[np.ndarray, "b i j"]:
    matters = mattering(batch)
    high = (np.asarray(matters.weight) > 0) & (np.asarray(matters.importance) >= HIGH)
    return _blocks(high.astype(np.float64))


def _of_tokens(one: Arrived, batch: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    error = np.square(np.clip(one.image, 0, 1) - batch["image"]).mean(axis=-1)
    return _blocks(error), one.lengths, one.energy


@guard
def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=pathlib.Path, default=pathlib.Path("checkpoints"))
    parser.add_argument("--stores", type=pathlib.Path, default=pathlib.Path("stores"))
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    flags = parser.parse_args(argv)
    folders = [flags.checkpoints / f"{SYSTEM}_{ALBUM.name}_{name}_0" for name in NETWORKS]
    try:
        rows = [row for folder in folders for row in measured(folder, flags.stores)]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(results.save(rows, flags.results / "sa_oosc_reasons.json", fields=FIELDS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
