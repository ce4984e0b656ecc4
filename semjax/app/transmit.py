"""One picture over the air: `python transmit.py PICTURE --checkpoint RUN --snr_db 5 [--channel NAME] [--output DIR]`.

A system that decides by a scenario what matters is told one with `--scenario NAME`. The picture goes through the
evaluation chain once. Written are `received.png` and `side_by_side.png` (original and received, with labels); printed
are the channel uses by kind, the cbr and the PSNR.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from semjax.app import build, config
from semjax.app.beside import checked_rates
from semjax.app.errors import UserError, explained, guard
from semjax.app.evaluate import make_folder
from semjax.app.learned import public_scenario
from semjax.app.links import check_link, check_sends, fitted, links_of
from semjax.channels import CHANNELS
from semjax.contracts import Channel
from semjax.data import images
from semjax.evaluators.base import NOTHING, chain, public_of
from semjax.link import rate, transport
from semjax.link.choice import LINKS, Links
from semjax.metrics import METRICS

MARGIN = 12
INK, PAPER = (28, 36, 48), (255, 255, 255)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transmitted:
    """One transmission.

    Attributes:
      image: the received picture.
      psnr: in dB.
      uses: channel uses by kind ("analog", "pilots", "side/...").
      rates: channel uses per picture value.
      lost: integer streams that did not arrive.
    """

    image: Float[np.ndarray, "h w 3"]
    psnr: float
    uses: dict[str, float]
    rates: rate.Rates
    lost: tuple[str, ...] = ()


def transmit(
    image: Float[np.ndarray, "h w 3"],
    *,
    loaded: build.Loaded,
    channel: Channel,
    snr_db: float,
    token: float = 1.0,
    seed: int = 0,
    links: Links = transport.ideal_link,
    known: Mapping[str, Any] = NOTHING,
) -> Transmitted:
    """Sends one picture once.

    Args:
      image: in [0, 1], of any size.
      loaded: the trained system.
      channel: the channel.
      snr_db: average Es/N0 per complex use, in dB.
      token: rate token, a fraction of the system's full rate.
      seed: of noise and fading.
      links: gives the digital link that runs over a channel.
      known: what else is public of the picture, as `learned.public_scenario` gives it.
    """
    batch = {"image": jnp.asarray(image)[None], "id": np.zeros(1, np.int32), **known}
    public = public_of(batch, snr_db=snr_db, rate=token)
    compiled = chain(loaded.trainable, links=links)
    sent = compiled.encode(loaded.variables, loaded.frozen, image=batch["image"], public=public)
    key = jax.random.key(seed)
    received = compiled.deliver(sent, channel=channel, key=key, draw=0, ids=batch["id"], snr_db=public.snr_db)
    restored = compiled.decode(loaded.variables, loaded.frozen, received=received, public=public)
    return Transmitted(
        image=np.asarray(restored[0]),
        psnr=float(METRICS["psnr"](restored, batch["image"])[0]),
        uses={kind: float(count[0]) for kind, count in received.uses.items()},
        rates=rate.rates(received.uses, height=public.height, width=public.width),
        lost=tuple(name for name, ok in received.ok.items() if not np.all(ok)),
    )


def side_by_side(pictures: Sequence[tuple[str, Float[np.ndarray, "h w 3"]]]) -> Float[np.ndarray, "h2 w2 3"]:
    """Labelled pictures of one size next to each other.

    Args:
      pictures: labels and pictures in [0, 1].

    Returns:
      One picture in [0, 1]; small ones are enlarged by a whole factor so that the labels can be read.
    """
    height, width = pictures[0][1].shape[:2]
    factor = max(1, -(-200 // width))
    height, width = height * factor, width * factor
    text_size = max(12, min(28, width // 18))
    font, room = ImageFont.load_default(size=text_size), int(text_size * 1.9)
    sheet = Image.new("RGB", (len(pictures) * (width + MARGIN) + MARGIN, height + room + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (label, picture) in enumerate(pictures):
        left = MARGIN + i * (width + MARGIN)
        draw.text((left, room // 2), label, fill=INK, font=font, anchor="lm")
        pixels = Image.fromarray(images.to_uint8(picture))
        sheet.paste(pixels.resize((width, height), Image.Resampling.NEAREST), (left, room))
    return images.from_uint8(np.asarray(sheet))


def summary(sent: Transmitted) -> str:
    """The channel uses by kind, the cbr and the PSNR, as text for a terminal."""
    uses = [*sent.uses.items(), ("total", sum(sent.uses.values()))]
    width = max(len(kind) for kind, _ in uses)
    lines = [f"  {kind:<{width}}  {count:>12,.1f}" for kind, count in uses]
    rates = sent.rates
    parts = {"analog": rates.cbr_analog, "digital": rates.cbr_digital, "side": rates.cbr_side}
    kinds = ", ".join(f"{kind} {values[0]:.5f}" for kind, values in parts.items())
    lost = [f"lost  {', '.join(sent.lost)}: concealed by the receiver"] if sent.lost else []
    return "\n".join(
        ["channel uses", *lines, *lost, f"cbr   {rates.cbr_total[0]:.5f}  ({kinds})", f"PSNR  {sent.psnr:.2f} dB"]
    )


def _picture(path: pathlib.Path) -> Float[np.ndarray, "h w 3"]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the picture cannot be read ({error.strerror})") from error
    return images.decode(data, name=str(path))


def _loaded(checkpoint: pathlib.Path, channel: Channel, *, side_link: str) -> build.Loaded:
    """The system as it is over a channel and with a digital link."""
    registry = build.default_registry()
    loaded = build.load(checkpoint, registry)
    check_sends(loaded.trainable, loaded.cfg.system.name, instead="name a checkpoint of a system")
    cfg = config.resolve(loaded.cfg, registry, [("eval.side_link", side_link)])
    return dataclasses.replace(loaded, cfg=cfg, trainable=fitted(build.build(cfg, registry), channel))


def _channel(name: str) -> Channel:
    if name not in CHANNELS:
        raise UserError(f"--channel={name}: there is no such channel; there are {', '.join(CHANNELS)}")
    return CHANNELS[name]()


@guard
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="transmit.py", description="Sends one picture.", allow_abbrev=False)
    parser.add_argument("picture", metavar="PICTURE", type=pathlib.Path)
    parser.add_argument("--checkpoint", required=True, metavar="RUN", type=pathlib.Path, help="a run or a checkpoint")
    parser.add_argument("--snr_db", required=True, type=float, help="average Es/N0 per complex use, in dB")
    parser.add_argument("--channel", default="awgn", help=f"one of {', '.join(CHANNELS)}")
    parser.add_argument("--seed", default=0, type=int, help="of noise and fading")
    parser.add_argument("--output", default=pathlib.Path(), type=pathlib.Path, metavar="DIR")
    parser.add_argument("--rate", default=1.0, type=float, help="fraction of the full rate, for a system of many")
    parser.add_argument("--scenario", default="", metavar="NAME", help="for a system that decides by it what matters")
    parser.add_argument("--side_link", default="ideal", choices=sorted(LINKS), help="how integer streams travel")
    flags = parser.parse_args(argv)
    image, channel = _picture(flags.picture), _channel(flags.channel)
    loaded = _loaded(flags.checkpoint, channel, side_link=flags.side_link)
    links = links_of(loaded.cfg, loaded.trainable)
    check_link(loaded.trainable, flags.channel, channel, links)
    checked_rates((flags.rate,), loaded.trainable, where="--rate")
    known = public_scenario(loaded.cfg, loaded.trainable, flags.scenario, where="--scenario")
    make_folder(flags.output)
    way = {"channel": channel, "snr_db": flags.snr_db, "token": flags.rate, "seed": flags.seed, "links": links}
    with explained(str(flags.picture)):
        sent = transmit(image, loaded=loaded, known=known, **way)
    label = f"{flags.channel}, {flags.snr_db:g} dB: {sent.psnr:.2f} dB PSNR"
    images.save_png(flags.output / "received.png", sent.image)
    images.save_png(flags.output / "side_by_side.png", side_by_side([("original", image), (label, sent.image)]))
    print(summary(sent))
    print(f"written: {flags.output / 'received.png'}, {flags.output / 'side_by_side.png'}")
    return 0
