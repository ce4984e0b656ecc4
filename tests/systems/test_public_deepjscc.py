"""Converted checkpoints reproduce a torch twin, and a state dict that does not fit is refused by name.

The golden file holds a random twin's weights (int8, in units of 1/256), inputs and outputs. Regenerate it, with torch,
by `python benchmarks/torch_deepjscc.py --golden tests/systems/golden_public_deepjscc.npz`.
"""

import pathlib
import pickle
import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.channels.awgn import AWGN
from semjax.contracts import Phase
from semjax.decoders.conv import ConvDecoder
from semjax.encoders.conv import ConvEncoder
from semjax.systems.jscc import deepjscc_public
from semjax.systems.public_deepjscc import LABEL_OFFSET_DB, convert, features, read_torch
from semjax.types import Public, Received

GOLDEN = dict(np.load(pathlib.Path(__file__).with_name("golden_public_deepjscc.npz")))
STATE = {k.removeprefix("weight "): v.astype(np.float32) / 256 for k, v in GOLDEN.items() if k.startswith("weight ")}
PUBLIC = Public(snr_db=jnp.full(2, 7.0 + LABEL_OFFSET_DB), rate=jnp.ones(2), height=16, width=24)


ENCODER: Any = ConvEncoder(features=features(STATE))
DECODER: Any = ConvDecoder()


def nhwc(name: str) -> np.ndarray:
    return GOLDEN[name].transpose(0, 2, 3, 1)


def test_encoder_and_decoder_reproduce_the_twin() -> None:
    params = convert(STATE)
    latents = jax.jit(ENCODER.apply)({"params": params["encoder"]}, nhwc("image"), PUBLIC)
    np.testing.assert_allclose(latents, nhwc("latents"), atol=1e-5)
    # Ours arrive with half the power per real dimension: the first kernel makes up for it.
    received = nhwc("received") / np.sqrt(2.0)
    picture = jax.jit(DECODER.apply)({"params": params["decoder"]["net"]}, received, PUBLIC)
    np.testing.assert_allclose(picture, nhwc("picture"), atol=1e-5)


def test_converted_parameters_are_those_of_the_system() -> None:
    phases = (Phase(name="only"),)
    system = deepjscc_public(cbr=1 / 48, channel=AWGN(), phases=phases, encoder=ConvEncoder, decoder=ConvDecoder)
    params = jax.tree.map(jnp.asarray, convert(STATE))
    ends = {name: jax.jit(end) for name, end in system.predict_fns().items()}
    signal = ends["transmit"]({"params": params}, {}, jnp.asarray(nhwc("image")), PUBLIC, {})
    np.testing.assert_allclose(jnp.mean(jnp.abs(signal.symbols) ** 2, axis=1), 1.0, rtol=1e-5)
    clean = Received(symbols=signal.symbols, noise_var=jnp.full(signal.symbols.shape, 1e-9))
    picture = ends["receive"]({"params": params}, {}, clean, PUBLIC)
    # The same by the published convention: latents of mean square 1 per real dimension, kernel as stored.
    z = nhwc("latents")
    z = z / np.sqrt(np.mean(z**2, axis=(1, 2, 3), keepdims=True))
    plain = convert(
        {**STATE, "decoder.tconv1.transconv.weight": STATE["decoder.tconv1.transconv.weight"] / np.sqrt(2.0)}
    )
    expected = jax.jit(DECODER.apply)({"params": plain["decoder"]["net"]}, z, PUBLIC)
    np.testing.assert_allclose(picture, expected, atol=1e-5)


def test_a_state_dict_that_does_not_fit_is_refused_by_name() -> None:
    name = "encoder.conv3.conv.weight"
    with pytest.raises(ValueError, match=f"lacks {name}"):
        convert({k: v for k, v in STATE.items() if k != name})
    with pytest.raises(ValueError, match=r"unknown decoder\.extra"):
        convert({**STATE, "decoder.extra": np.zeros(1)})
    with pytest.raises(ValueError, match=f"{name} has shape"):
        convert({**STATE, name: STATE[name][:, :, :3]})
    with pytest.raises(ValueError, match=r"prelu\.weight has shape"):
        convert({**STATE, "encoder.conv1.prelu.weight": np.zeros(16)})
    with pytest.raises(ValueError, match="not a public DeepJSCC"):
        convert({"a": np.zeros(1)})


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"semjax\[convert\]"):
        read_torch(tmp_path / "absent.pkl")


def test_damaged_and_foreign_files_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """A stand-in for torch, so that the test runs without it: `load` fails as torch's does, or gives a list."""
    file = tmp_path / "epoch.pkl"
    file.write_bytes(b"\x80 not a checkpoint")

    def failing(file: object, **_: object) -> None:
        raise pickle.UnpicklingError("invalid load key")

    fake = types.SimpleNamespace(load=failing, Tensor=np.ndarray)
    monkeypatch.setitem(sys.modules, "torch", fake)
    with pytest.raises(ValueError, match=r"epoch\.pkl is damaged"):
        read_torch(file)
    monkeypatch.setattr(fake, "load", lambda file, **_: [1, 2])
    with pytest.raises(ValueError, match="holds a list"):
        read_torch(file)
    with pytest.raises(FileNotFoundError):
        read_torch(tmp_path / "absent.pkl")
