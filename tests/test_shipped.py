"""The shipped checkpoints load, stand above the linear code, and (nightly) give the figures in docs/results."""

import json
import pathlib

import pytest

from semjax.app import config, export
from semjax.app.build import Loaded, build, default_registry, load
from semjax.app.evaluate import evaluate
from semjax.app.transmit import transmit
from semjax.channels.awgn import AWGN
from semjax.data.sources import ArchiveSource

ROOT = pathlib.Path(__file__).parent.parent
SHIPPED = sorted(path.parent for path in ROOT.glob("checkpoints/*/config.json"))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_small_and_described(folder: pathlib.Path) -> None:
    assert (folder / "params.npz").stat().st_size <= 8 << 20
    card = (folder / "card.md").read_text()
    assert "training pictures" in card
    assert "Licence" in card


@pytest.mark.parametrize(("name", "token"), [("deepjscc_natural", 1.0), ("swinjscc_natural", 2 / 3)])
def test_natural_stands_above_linear_on_a_kodak_picture(name: str, token: float, data_dir: pathlib.Path) -> None:
    """One crop at cbr 1/12 and 10 dB, with the same noise over both."""
    registry = default_registry()
    cfg = config.resolve({"system": {"name": "linear", "cbr": 1 / 12}}, registry)
    linear = Loaded(cfg=cfg, trainable=build(cfg, registry), variables={"params": {}}, meta={})
    natural = load(ROOT / "checkpoints" / name, registry)
    image = ArchiveSource(data_dir / "kodak24")[22]["image"][:256, :256]
    air = {"channel": AWGN(), "snr_db": 10.0, "seed": 0}
    ours, base = transmit(image, loaded=natural, token=token, **air), transmit(image, loaded=linear, **air)
    assert ours.rates.cbr_total[0] == pytest.approx(base.rates.cbr_total[0], rel=1e-4)
    assert ours.psnr > base.psnr + 0.5


@pytest.mark.nightly
def test_kodak_figures_are_reproduced(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """All rows of the committed Kodak results at 10 dB over AWGN, within 0.02 dB."""
    found = evaluate(
        ROOT / "checkpoints" / "deepjscc_natural",
        registry=default_registry(),
        output=tmp_path,
        overrides=[("eval.channels", "({'name': 'awgn'},)"), ("eval.snr_db", "(10.0,)"), ("eval.metrics", "('psnr',)")],
    )
    committed = json.loads((ROOT / "docs" / "results" / "kodak_deepjscc_natural.json").read_text())
    asked = ("awgn", 10.0)
    wanted = {(r["system"], r["metric"]): r["mean"] for r in committed if (r["channel"], r["snr_db"]) == asked}
    assert found.rows
    for row in found.rows:
        assert row["mean"] == pytest.approx(wanted[row["system"], row["metric"]], abs=0.02)


@pytest.mark.parametrize(
    ("name", "words"), [("coco", "non-commercial research"), ("natural", "non-commercial"), ("scenes", "the code")]
)
def test_a_card_names_the_terms_of_the_pictures(name: str, words: str) -> None:
    assert words in export.licence(config.load(f"{ROOT}/configs/sa_oosc.py:{name}"))
