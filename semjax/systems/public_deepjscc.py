"""Public torch checkpoints of the five-layer DeepJSCC as parameters of `deepjscc_public`.

    checkpoint.pkl ─► read_torch ─► {name: array} ─► convert ─► {"encoder": ..., "decoder": {"net": ...}}

Conventions of those checkpoints, and what becomes of them:

- Their latents z have mean square 1 per REAL dimension and picture, and at label L noise of variance 10^(-L/10) / 2
  per real dimension. Read as complex symbols of power 2 that is Es/N0 = L + 3.01 dB: here a checkpoint of label L is
  used at `snr_db = L + 3.01`.
- Symbols here have E|s|^2 = 1, mean square 1/2 per real dimension, so the decoder's input is √2 too small. The first
  decoder kernel is multiplied by √2; with it, sent and received latents are theirs up to that factor. The encoder needs
  nothing: the power normalisation is the bottleneck's.
- Which reals share a complex symbol (NCHW there, NHWC here) does not matter over AWGN, where all reals meet independent
  noise of one variance. Over fading it does: do not use these conversions there.
- Convolution weights [cout, cin, k, k] become kernels [k, k, cin, cout]; transposed convolution weights
  [cin, cout, k, k] become [k, k, cout, cin]: the same permutation (2, 3, 1, 0), without a flip (see `semjax.nn.conv`).
  A PReLU shared by the layers of one network is stored once per layer, and stays so.

Source of the layout: github.com/chunbaobao/Deep-JSCC-PyTorch (state dicts under out/checkpoints).
"""

import dataclasses
import math
import os
import pickle
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from semjax.decoders.conv import ConvDecoder
from semjax.encoders.conv import ConvEncoder
from semjax.types import Public, Tree

LAYERS = 5
LABEL_OFFSET_DB = 10.0 * math.log10(2.0)
"""True complex Es/N0 in dB minus the label of a public checkpoint."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rule:
    path: tuple[str, ...]
    axes: tuple[int, ...]
    factor: float = 1.0


def read_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a torch state dict without running code from it.

    Args:
      path: file written by `torch.save(model.state_dict(), path)`.

    Returns:
      Arrays by name.

    Raises:
      ImportError: torch is not installed.
      OSError: the file cannot be opened.
      ValueError: the file is damaged or is not a state dict.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError('reading a torch checkpoint needs torch: pip install "semjax[convert]"') from error
    with open(path, "rb") as file:
        try:
            state = torch.load(file, weights_only=True, map_location="cpu")
        except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
            raise ValueError(f"{os.fspath(path)} is damaged or is not a torch checkpoint: {error}") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ValueError(f"{os.fspath(path)} holds a {type(state).__name__}, not a state dict of tensors")
    return {str(name): tensor.numpy() for name, tensor in state.items()}


def features(state: Mapping[str, np.ndarray]) -> int:
    """Real dimensions per latent position of the checkpoint: `ConvEncoder(features=...)`.

    Raises:
      ValueError: the encoder's last bias is missing.
    """
    last = f"encoder.conv{LAYERS}.conv.bias"
    if last not in state:
        raise ValueError(f"not a public DeepJSCC state dict: no tensor {last!r} among {sorted(state)[:4]} ...")
    return int(state[last].size)


def convert(state: Mapping[str, np.ndarray]) -> Tree:
    """Parameters of `deepjscc_public` with `ConvEncoder(features=features(state))` and `ConvDecoder()`.

    Args:
      state: arrays by name, as `read_torch` gives them.

    Returns:
      {"encoder": ..., "decoder": {"net": ...}}, float32: every leaf filled once, every tensor used once.

    Raises:
      ValueError: a tensor is missing, unknown or of the wrong shape; the message names it.
    """
    wanted = _shapes(features(state))
    rules = _rules()
    for what, names in (("lacks", rules.keys() - state.keys()), ("has unknown", state.keys() - rules.keys())):
        if names:
            raise ValueError(f"the state dict {what} {', '.join(sorted(names))}: not the public five-layer form")
    filled: dict[tuple[str, ...], np.ndarray] = {}
    for name, rule in rules.items():
        shape = wanted.pop(rule.path)
        tensor = np.asarray(state[name], np.float32)
        value = tensor.reshape(()) if shape == () and tensor.size == 1 else tensor
        value = value.transpose(rule.axes) if value.ndim == len(rule.axes) else value
        if value.shape != shape:
            raise ValueError(f"{name} has shape {tensor.shape}, which becomes {value.shape}; {rule.path} needs {shape}")
        filled[rule.path] = value * np.float32(rule.factor)
    if wanted:
        raise ValueError(f"no tensor fills the parameters {sorted(wanted)}")
    return unflatten_dict(filled)


def _rules() -> dict[str, _Rule]:
    rules = {}
    for i in range(LAYERS):
        down, up = f"encoder.conv{i + 1}", f"decoder.tconv{i + 1}"
        conv, tconv = ("encoder", f"conv_{i}"), ("decoder", "net", f"tconv_{i}")
        # Received latents are 1/sqrt(2) of theirs; a linear layer takes the factor.
        first = math.sqrt(2.0) if i == 0 else 1.0
        rules[f"{down}.conv.weight"] = _Rule(path=(*conv, "kernel"), axes=(2, 3, 1, 0))
        rules[f"{down}.conv.bias"] = _Rule(path=(*conv, "bias"), axes=(0,))
        rules[f"{down}.prelu.weight"] = _Rule(path=("encoder", f"prelu_{i}", "negative_slope"), axes=())
        rules[f"{up}.transconv.weight"] = _Rule(path=(*tconv, "kernel"), axes=(2, 3, 1, 0), factor=first)
        rules[f"{up}.transconv.bias"] = _Rule(path=(*tconv, "bias"), axes=(0,))
        if i < LAYERS - 1:
            rules[f"{up}.activate.weight"] = _Rule(path=("decoder", "net", f"prelu_{i}", "negative_slope"), axes=())
    return rules


def _shapes(latents: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    one = jnp.zeros(1, jnp.float32)
    public = Public(snr_db=one, rate=one, height=4, width=4)
    key = jax.random.key(0)
    image, z = jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 1, 1, latents))
    encoder = jax.eval_shape(ConvEncoder(features=latents).init, key, image, public)["params"]
    decoder = jax.eval_shape(ConvDecoder().init, key, z, public)["params"]
    leaves: dict[tuple[str, ...], Any] = flatten_dict({"encoder": encoder, "decoder": {"net": decoder}})
    return {path: leaf.shape for path, leaf in leaves.items()}
