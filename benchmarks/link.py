"""A map of indices and a rate map of each picture, sent end to end over the digital link.

    python benchmarks/link.py --results docs/results

Pictures are scenes of 128x128 pixels. The indices are the mean luminances of blocks of 8x8 pixels in 32 steps (16x16
integers), the rate map the contrast of blocks of 16x16 pixels in 8 steps (8x8 integers): both are range coded with
adaptive priors, sent by the coded link with all that it charges, decoded, and compared. A message counts as lost if the
link says so; one that is not lost must be right to the last integer, or the benchmark fails.

Two files: `link.json` for the policy that chooses the scheme by the average SNR, over AWGN and block Rayleigh, lengths
announced; and `link_outage.json` for fixed schemes over block Rayleigh, beside the outage of ideal codes of that rate,

    1 - exp(-(2^R - 1) / snr),      R = message bits / channel uses,

which no code can beat. Intervals are Wilson's, 95 %.
"""

import argparse
import datetime
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from semjax.channels import CHANNELS
from semjax.data.sources import ScenesSource
from semjax.link import bler
from semjax.link.adaptive import MixturePrior
from semjax.link.coded import CodedLink
from semjax.link.policy import DEFAULT, Fixed, Policy
from semjax.link.range_coded import RangeCoded
from semjax.link.schemes import Scheme
from semjax.link.transport import LENGTH_BITS, ideal_link
from semjax.phy.capacity import outage_rayleigh
from semjax.phy.mcs import mcs
from semjax.systems.base import picture_keys, slot_keys
from semjax.training.log import git_state

SIDE, LEVELS, STEPS = 128, 32, 8
SNRS_DB = (1.0, 7.0, 13.0)
CODECS = {
    "indices": RangeCoded(alphabet=LEVELS, prior=MixturePrior()),
    "rate_map": RangeCoded(alphabet=STEPS, prior=MixturePrior()),
}
FIXED = (Scheme(mcs=mcs("low_se", 12)), Scheme(mcs=mcs("256qam", 8)))
SEED = 4


def maps(pictures: int) -> dict[str, np.ndarray]:
    """The integer maps of the first scenes of the test split."""
    source = ScenesSource(size=SIDE, split="test", count=pictures)
    grey = np.stack([source[i]["image"].mean(axis=-1) for i in range(pictures)])
    small = grey.reshape(pictures, SIDE // 8, 8, SIDE // 8, 8).mean(axis=(2, 4))
    contrast = grey.reshape(pictures, SIDE // 16, 16, SIDE // 16, 16).std(axis=(2, 4))
    return {
        "indices": np.clip(np.rint(small * (LEVELS - 1)), 0, LEVELS - 1).astype(np.int32),
        "rate_map": np.clip(np.rint(contrast * 4 * (STEPS - 1)), 0, STEPS - 1).astype(np.int32),
    }


def wilson(wrong: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z, share = 1.96, wrong / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def rows(
    integers: dict[str, np.ndarray], *, channel_name: str, policy: Policy, draws: int, announce: bool
) -> Iterator[dict[str, Any]]:
    """One row per stream and SNR."""
    channel = CHANNELS[channel_name]()
    link = CodedLink(channel=channel, policy=policy)
    for slot, stream in enumerate(CODECS, start=1):
        bits = CODECS[stream].pack(integers[stream])
        length = np.asarray(bits.length)
        for snr_db in SNRS_DB:
            lost, spent = sent(link, stream, integers[stream], slot=slot, snr_db=snr_db, draws=draws, announce=announce)
            low, high = wilson(int(lost.sum()), lost.size)
            ideal = ideal_link(channel).send(bits, snr_db=np.full(length.shape, snr_db), announce=announce)
            outage = outage_rayleigh(snr_db, np.tile(length, draws) / spent)
            yield {
                "channel": channel_name,
                "snr_db": snr_db,
                "stream": stream,
                "side_link": link.kind,
                "link_terms": link.terms,
                "schemes": ", ".join(sorted({policy.choose(channel, int(a), snr_db).name for a in length})),
                "bits": float(length.mean()),
                "uses": float(spent.mean()),
                "ideal_uses": float(ideal.uses.mean()),
                "cbr_side": float(spent.mean() / (3 * SIDE * SIDE)),
                "lost": float(lost.mean()),
                "lost_low": low,
                "lost_high": high,
                "predicted": float(np.mean([_predicted(link, int(a), snr_db, announce=announce) for a in length])),
                "outage_bound": float(np.mean(outage)) if channel_name == "rayleigh" else None,
                "messages": int(lost.size),
                "lengths": "announced" if announce else "agreed",
            }


def sent(
    link: CodedLink, stream: str, array: np.ndarray, *, slot: int, snr_db: float, draws: int, announce: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each message was lost, and its uses; all draws of all pictures. What arrives is compared."""
    codec, snr = CODECS[stream], np.full(array.shape[0], snr_db, np.float32)
    bits, ids = codec.pack(array), jnp.arange(array.shape[0], dtype=jnp.uint32)
    lost, spent = [], []
    for draw in range(draws):
        keys = slot_keys(picture_keys(jax.random.key(SEED), np.uint32(draw), ids), slot)
        arrived = link.send(bits, snr_db=snr, keys=keys, announce=announce)
        read = codec.unpack(arrived.bits, np.zeros_like(array))
        wrong = np.any((read != array).reshape(array.shape[0], -1), axis=1) & arrived.ok
        if wrong.any():
            raise SystemExit(f"{stream}: {wrong.sum()} messages that passed their CRCs are not right")
        lost.append(~arrived.ok)
        spent.append(arrived.uses)
    return np.concatenate(lost), np.concatenate(spent)


def _predicted(link: CodedLink, bits: int, snr_db: float, *, announce: bool) -> float:
    """The share that the table of block error rates lets expect: of the message, and of its length."""
    parts = [(bits, link.policy)] + ([(LENGTH_BITS, link.policy.cautious())] if announce else [])
    lost = [
        bler.block_error(bler.measured(), link.channel, policy.choose(link.channel, size, snr_db), size, snr_db)
        for size, policy in parts
    ]
    # Over block fading both meet the same gain: who loses the length would have lost the message, too.
    same = bler.fate(link.channel).coherence == "block"
    return max(lost) if same else 1 - float(np.prod([1 - p for p in lost]))


def save(found: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
    """Writes rows, with where and when they were measured."""
    git = git_state()
    origin = {"commit": (git["commit"] or "")[:12] + ("+" if git["dirty"] else ""), "seed": SEED}
    origin["date"] = datetime.date.today().isoformat()
    path.write_text(json.dumps([{**row, **origin} for row in found], indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--draws", type=int, default=32, help="channel draws per picture")
    flags = parser.parse_args()
    integers, draws = maps(flags.pictures), flags.draws
    chosen = [
        row
        for name in ("awgn", "rayleigh")
        for row in tqdm(rows(integers, channel_name=name, policy=DEFAULT, draws=draws, announce=True), desc=name)
    ]
    save(chosen, flags.results / "link.json")
    fixed = [
        row
        for scheme in FIXED
        for row in tqdm(
            rows(integers, channel_name="rayleigh", policy=Fixed(scheme=scheme), draws=draws, announce=False),
            desc=scheme.name,
        )
    ]
    save(fixed, flags.results / "link_outage.json")
    for row in chosen + fixed:
        print(
            f"{row['channel']:9} {row['snr_db']:4g} dB {row['stream']:9} {row['link_terms']} {row['bits']:6.1f} bits "
            f"{row['uses']:8.1f} uses (ideal {row['ideal_uses']:7.1f}) lost {row['lost']:.4f} "
            f"({row['lost_low']:.4f} to {row['lost_high']:.4f}), predicted {row['predicted']:.4f}, "
            f"bound {row['outage_bound']}"
        )


if __name__ == "__main__":
    main()
