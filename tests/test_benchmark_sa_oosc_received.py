"""Gains by the SNR at which a picture arrives: that SNR is the link's own, and no picture is lost or counted twice."""

import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from sa_oosc_models import SEED, Condition, Model  # noqa: E402
from sa_oosc_received import ABOVE, BELOW, received_snr_db, split_rows  # noqa: E402
from sa_oosc_rows import Point  # noqa: E402

from semjax.evaluators.base import Chain, Sent  # noqa: E402

FADED = Condition(channel="rayleigh", link="ideal", snr_db=1.0)
COUNT = 400


def delivered_snr_db(condition: Condition, ids: np.ndarray) -> np.ndarray:
    """Of all symbols of pictures that the evaluators' chain delivers."""
    nothing = {"transmit": None, "receive": None, "codecs": {}, "payload": frozenset(), "links": lambda _: None}
    over = Chain(**nothing)  # type: ignore[arg-type]
    symbols = jnp.ones((len(ids), 64), jnp.complex64)
    sent = Sent(symbols=symbols, used=jnp.ones(symbols.shape), bits={}, like={})
    key, snr = jax.random.key(SEED), jnp.full(len(ids), condition.snr_db)
    came = over.deliver(sent, channel=condition.analog, key=key, draw=0, ids=ids, snr_db=snr)
    gain = 1.0 if came.csi is None else np.abs(np.asarray(came.csi))
    return 10 * np.log10(gain**2 / np.asarray(came.noise_var))


def test_pictures_arrive_as_the_link_delivers_them() -> None:
    ids = np.random.default_rng(0).permutation(5_000)[:COUNT]
    arrives, delivered = received_snr_db(FADED, ids), delivered_snr_db(FADED, ids)
    np.testing.assert_allclose(np.broadcast_to(arrives[:, None], delivered.shape), delivered, atol=1e-3)
    assert 10 * np.log10(np.mean(10 ** (arrives / 10))) == pytest.approx(FADED.snr_db, abs=1.0)
    plain = Condition(channel="awgn", link="ideal", snr_db=7.0)
    np.testing.assert_allclose(received_snr_db(plain, ids), 7.0, atol=1e-4)


def piece(level: float, below: np.ndarray) -> dict[str, np.ndarray]:
    """Gains `level` dB where a picture arrives below the edge, and a tenth of that above."""
    high = 20.0 + np.where(below, level, level / 10)
    cbr = {f"cbr_{kind}": np.full(COUNT, 0.02) for kind in ("analog", "digital", "side", "total")}
    return {"id": np.arange(COUNT), "psnr_high": np.where(np.arange(COUNT) % 7 == 0, np.nan, high), **cbr}


def point(variant: str, level: float, below: np.ndarray) -> Point:
    model = Model(folder=pathlib.Path(f"sa_oosc_{variant}_0"), variant=variant, seed=0)
    model.__dict__.update(digest="d", config_hash="c")
    return Point(model=model, split="test", condition=FADED, token=0.5, arrays=piece(level, below))


def test_each_picture_is_on_one_side_of_the_edge() -> None:
    below = received_snr_db(FADED, np.arange(COUNT)) < 0
    rows = [*split_rows([point("student", 1.0, below)], [point("static", 0.0, below)], condition=FADED)]
    assert [row["received"] for row in rows] == [BELOW, ABOVE]
    assert [row["mean"] for row in rows] == [pytest.approx(1.0), pytest.approx(0.1)]
    assert sum(row["n_images"] for row in rows) == np.sum(np.arange(COUNT) % 7 != 0)
    assert {row["metric"] for row in rows} == {"psnr_high_gain_over_sa_oosc_static"}
