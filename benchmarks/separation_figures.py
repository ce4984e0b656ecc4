"""The figures of docs/separation.md, from committed results.

    python benchmarks/separation_figures.py

| figure                     | shows                                                                           |
|----------------------------|---------------------------------------------------------------------------------|
| separation_snr_CHANNEL.svg | PSNR over SNR, a panel per cbr: codecs on the coded link, bounds, trained models |
| separation_cbr_CHANNEL.svg | PSNR over cbr, a panel per SNR                                                   |
| separation_cliff.svg       | one scheme over SNR, and the envelope                                            |
"""

import argparse
import pathlib
from collections.abc import Iterator, Sequence

from separation import CLIFF, CLIFF_CODEC
from separation_points import CBRS, CLIFF_CBR, SNRS_DB

from semjax.codecs import codec
from semjax.evaluators import results
from semjax.evaluators.canvas import Line, Panel, draw
from semjax.evaluators.references import same_rate
from semjax.evaluators.results import Row, cbr_name

TRAINED = ("kodak_swinjscc_natural.json", "kodak_deepjscc_natural.json")
BOUND = "capacity"


def lines(rows: Sequence[Row], *, x: str) -> Iterator[Line]:
    """One line for each system and terms, coded ones first."""
    for system, variant, side_link, bound in _kinds(rows):
        own = [r for r in rows if _kind(r) == (system, variant, side_link, bound)]
        label = system if variant == "default" else f"{variant}{f', {bound}' if bound else ''}"
        yield _line(label, own, x=x)


def _kinds(rows: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    return list(dict.fromkeys(map(_kind, rows)))


def _kind(row: Row) -> tuple[str, str, str, str]:
    bound = row["link_terms"] if row["side_link"] == "ideal" and row["system"] == "separation" else ""
    return row["system"], row["variant"], row["side_link"], bound


def shown(rows: Sequence[Row], channel: str) -> list[Row]:
    """The rows of a channel that figures show: PSNR with losses in the mean; of the bounds, only the best codec's."""
    best = codec(CLIFF_CODEC).name
    return [
        row
        for row in rows
        if row["channel"] == channel
        and row["metric"] == "psnr"
        and results.matched(row)
        and (row["system"] != "separation" or row["side_link"] == "coded" or row["variant"] == best)
    ]


def near(row: Row, cbr: float) -> bool:
    """Whether a row is at that cbr, give or take what a code block leaves unused."""
    return same_rate(row["cbr_total"], cbr)


def over_snr(rows: Sequence[Row], channel: str, folder: pathlib.Path) -> None:
    """PSNR over SNR."""
    panels = [
        Panel(title=f"cbr {cbr_name(cbr)}", lines=[*lines([r for r in rows if near(r, cbr)], x="snr_db")])
        for cbr in CBRS
    ]
    title = f"Kodak over {_channel(channel)}"
    draw(panels, title=title, x="SNR = Es/N0 (dB)", y="PSNR (dB)", path=folder / f"separation_snr_{channel}")


def over_cbr(rows: Sequence[Row], channel: str, folder: pathlib.Path) -> None:
    """PSNR over cbr."""
    panels = [
        Panel(title=f"{snr_db:g} dB", lines=[*lines([r for r in rows if r["snr_db"] == snr_db], x="cbr_total")])
        for snr_db in SNRS_DB
    ]
    title, x = f"Kodak over {_channel(channel)}, by rate", "channel uses per picture value (cbr)"
    draw(panels, title=title, x=x, y="PSNR (dB)", path=folder / f"separation_cbr_{channel}")


def cliff(rows: Sequence[Row], always: Sequence[Row], folder: pathlib.Path) -> None:
    """One scheme, whatever the SNR, beside the envelope and the bound."""
    best = codec(CLIFF_CODEC).name
    own = [r for r in shown(rows, "awgn") if r["variant"] == best and near(r, CLIFF_CBR)]
    chosen = {
        f"always {CLIFF.name}": [r for r in always if r["metric"] == "psnr"],
        "envelope": [r for r in own if r["side_link"] == "coded"],
        "capacity": [r for r in own if r["side_link"] == "ideal"],
    }
    panel = Panel(title="", lines=[_line(label, part) for label, part in chosen.items()])
    title = f"{codec(CLIFF_CODEC).name} over AWGN, cbr {cbr_name(CLIFF_CBR)}"
    draw([panel], title=title, x="SNR = Es/N0 (dB)", y="PSNR (dB)", path=folder / "separation_cliff")


def _line(label: str, rows: Sequence[Row], *, x: str = "snr_db") -> Line:
    """Without its interval: a dozen bands over each other show nothing, and the table has them."""
    return Line(label=label, points=sorted((r[x], r["mean"], r["mean"], r["mean"]) for r in rows))


def _channel(name: str) -> str:
    return {"awgn": "AWGN", "rayleigh": "block Rayleigh fading"}[name]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("docs/results"))
    parser.add_argument("--figures", type=pathlib.Path, default=pathlib.Path("docs/figures"))
    flags = parser.parse_args()
    separation = results.read(flags.results / "separation.json")
    trained = [row for name in TRAINED for row in results.read(flags.results / name)]
    for channel in ("awgn", "rayleigh"):
        rows = shown([*separation, *trained], channel)
        over_snr(rows, channel, flags.figures)
        over_cbr(rows, channel, flags.figures)
    cliff(separation, results.read(flags.results / "separation_cliff.json"), flags.figures)


if __name__ == "__main__":
    main()
