"""Public DeepJSCC checkpoints through this package's power rule, channel and metrics, beside the recorded anchors.

    python benchmarks/public_deepjscc.py --checkpoints DIR --images cifar10.npz --key x_train \\
        --output docs/results/public_deepjscc.json

DIR holds folders named like CIFAR10_8_7.0_0.17_AWGN_..., each with an epoch_999.pkl (out/checkpoints of
github.com/chunbaobao/Deep-JSCC-PyTorch). A checkpoint of label L is measured at a true Es/N0 of L + 3.01 dB (see
semjax.systems.public_deepjscc).
The anchors were measured independently, in torch, on 164 raw CIFAR-10 test pictures; they are PSNR of the mean MSE.
Needs torch (`pip install "semjax[convert]"`); about a minute on two cores.
"""

import argparse
import datetime
import json
import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from semjax.channels.awgn import AWGN
from semjax.contracts import Phase
from semjax.decoders.conv import ConvDecoder
from semjax.encoders.conv import ConvEncoder
from semjax.evaluators.bootstrap import mean_interval
from semjax.link.rate import rates
from semjax.metrics.peak import mse_to_psnr, mse_uint8
from semjax.systems.base import picture_keys, send
from semjax.systems.jscc import deepjscc_public
from semjax.systems.public_deepjscc import LABEL_OFFSET_DB, convert, features, read_torch
from semjax.training.log import git_state
from semjax.types import Public, Tree

ANCHORS = {
    ("1/12", 1.0): 23.71,
    ("1/12", 4.0): 25.22,
    ("1/12", 7.0): 26.68,
    ("1/12", 13.0): 28.52,
    ("1/12", 19.0): 29.45,
    ("1/6", 1.0): 25.97,
    ("1/6", 4.0): 27.96,
    ("1/6", 7.0): 29.57,
    ("1/6", 13.0): 32.23,
    ("1/6", 19.0): 33.89,
}
"""(k/n, label in dB) -> PSNR of the mean MSE in dB."""

TOLERANCE_DB = 0.5


def measure(params: Tree, images: np.ndarray, *, latents: int, snr_db: float, draws: int, seed: int) -> dict[str, Any]:
    """Mean squared error of each picture, averaged over `draws` noise draws, and the counted rate."""
    height, width = images.shape[1:3]
    system = deepjscc_public(
        cbr=latents / 96, channel=AWGN(), phases=(Phase(name="none"),), encoder=ConvEncoder, decoder=ConvDecoder
    )
    ends = system.predict_fns()

    @jax.jit
    def chain(params: Tree, batch: jax.Array, ids: jax.Array, draw: jax.Array) -> Any:
        snr = jnp.full(batch.shape[0], snr_db, jnp.float32)
        public = Public(snr_db=snr, rate=jnp.ones_like(snr), height=height, width=width)
        signal = ends["transmit"]({"params": params}, {}, batch, public, {})
        received = send(system.channel, picture_keys(jax.random.key(seed), draw, ids), signal, snr)
        return mse_uint8(ends["receive"]({"params": params}, {}, received, public), batch), received.uses

    ids = jnp.arange(len(images))
    made = [chain(params, jnp.asarray(images), ids, jnp.asarray(draw)) for draw in range(draws)]
    counted = rates(jax.tree.map(np.asarray, made[0][1]), height=height, width=width)
    return {"mse": np.stack([np.asarray(m) for m, _ in made]), "cbr_total": float(counted.cbr_total.mean())}


def rows(folder: pathlib.Path, images: np.ndarray, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Two rows of a checkpoint: PSNR of the mean MSE, and mean per-picture PSNR, with 95 % intervals over pictures."""
    found = re.match(r"CIFAR10_(\d+)_([\d.]+)_[\d.]+_AWGN", folder.name)
    if not found:
        raise ValueError(f"{folder} is not named CIFAR10_<c>_<label>_<ratio>_AWGN_...")
    label = float(found[2])
    state = read_torch(folder / "epoch_999.pkl")
    latents = features(state)
    measured = measure(
        convert(state),
        images,
        latents=latents,
        snr_db=label + LABEL_OFFSET_DB,
        draws=args.draws,
        seed=args.seed,
    )
    per_picture = np.asarray(mse_to_psnr(jnp.asarray(measured["mse"]))).mean(axis=0)
    error = mean_interval(measured["mse"].mean(axis=0))
    psnr = mean_interval(per_picture)
    anchor = ANCHORS.get((f"1/{96 // latents}", label))
    common = {
        "system": "deepjscc_public",
        "variant": f"label {label:g} dB",
        "checkpoint": f"{folder.name}/epoch_999.pkl",
        "commit": git_state()["commit"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "dataset": f"cifar10 raw {args.key}",
        "split": "the checkpoint's own training pictures",
        "channel": "awgn",
        "snr_db": round(label + LABEL_OFFSET_DB, 2),
        "cbr_total": measured["cbr_total"],
        "n_images": len(images),
        "n_draws": args.draws,
        "seed": args.seed,
    }
    decibel = {name: -10.0 * float(np.log10(getattr(error, name))) for name in ("mean", "low", "high")}
    return [
        _row(common, "psnr_of_mean_mse", (decibel["mean"], decibel["high"], decibel["low"]), anchor),
        _row(common, "psnr", (psnr.mean, psnr.low, psnr.high), None),
    ]


def _row(
    common: dict[str, Any], metric: str, value: tuple[float, float, float], anchor: float | None
) -> dict[str, Any]:
    mean, low, high = (round(v, 3) for v in value)
    difference = None if anchor is None else round(mean - anchor, 3)
    return {
        **common,
        "metric": metric,
        "mean": mean,
        "ci_low": low,
        "ci_high": high,
        "anchor": anchor,
        "difference": difference,
    }


def main() -> None:
    """Measures every AWGN checkpoint and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, required=True, help="npz of uint8[n, 32, 32, 3] arrays")
    parser.add_argument("--key", default="x_train", help="array in the npz")
    parser.add_argument("--count", type=int, default=500, help="pictures taken, from the first")
    parser.add_argument("--draws", type=int, default=4, help="noise draws per picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("docs/results/public_deepjscc.json"))
    args = parser.parse_args()
    images = np.load(args.images)[args.key][: args.count].astype(np.float32) / 255.0
    folders = sorted(args.checkpoints.glob("CIFAR10_*_AWGN_*"))
    if not folders:
        parser.error(f"no folder CIFAR10_*_AWGN_* under {args.checkpoints}")
    table = sorted((row for folder in folders for row in rows(folder, images, args)), key=_order)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in table) + "\n]\n", encoding="utf-8")
    anchored = [row for row in table if row["difference"] is not None]
    for row in anchored:
        verdict = "within" if abs(row["difference"]) <= TOLERANCE_DB else "NOT within"
        print(
            f"k/n {row['cbr_total']:.4f}  {row['snr_db']:5.2f} dB: {row['mean']:.2f} dB, anchor {row['anchor']:.2f}, "
            f"{row['difference']:+.2f} dB ({verdict} {TOLERANCE_DB:g} dB)"
        )
    print("measured on training pictures of these checkpoints; the anchors on test pictures")


def _order(row: dict[str, Any]) -> tuple[str, float, float]:
    return row["metric"], row["cbr_total"], row["snr_db"]


if __name__ == "__main__":
    main()
