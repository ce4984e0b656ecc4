"""MobileNet against a numpy twin, its depthwise convolution against XLA's, and the strict loader."""

import doctest
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from semjax.encoders import mobilenet
from semjax.encoders.mobilenet import MobileNetV1, WeightsError, depthwise_conv, load_mobilenet

TINY = MobileNetV1(first=4, widths=(6, 8, 5), strides=(1, 2, 2), classes=7)


def drawn_weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(TINY.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))["params"]
    flat = flatten_dict(shapes, sep="/")
    drawn = {key: rng.normal(size=leaf.shape).astype(np.float32) for key, leaf in flat.items()}  # type: ignore[union-attr]
    return {key: np.abs(value) + 0.5 if key.endswith("variance") else value for key, value in drawn.items()}


def save(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> pathlib.Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def twin_windows(x: np.ndarray, stride: int) -> np.ndarray:
    """[hs, ws, 3, 3, d]: what each output of a zero-padded convolution of kernel 3 sees."""
    out = [-(-side // stride) for side in x.shape[:2]]
    pad = [max((n - 1) * stride + 3 - side, 0) for n, side in zip(out, x.shape[:2], strict=True)]
    x = np.pad(x, [(p // 2, p - p // 2) for p in pad] + [(0, 0)])
    rows = [[x[stride * i : stride * i + 3, stride * j : stride * j + 3] for j in range(out[1])] for i in range(out[0])]
    return np.array(rows)


def twin_norm(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    mean, variance, gamma, beta = (
        weights[f"{name}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    return np.clip((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0, 6)


def twin(image: np.ndarray, weights: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.einsum("hwabc,abcd->hwd", twin_windows(image * 255 / 127.5 - 1, 2), weights["conv1/kernel"])
    x = twin_norm(x, weights, "conv1_bn")
    for i, stride in enumerate(TINY.strides, start=1):
        x = np.einsum("hwabd,abd->hwd", twin_windows(x, stride), weights[f"conv_dw_{i}/depthwise_kernel"][..., 0])
        x = twin_norm(x, weights, f"conv_dw_{i}_bn")
        x = twin_norm(x @ weights[f"conv_pw_{i}/kernel"][0, 0], weights, f"conv_pw_{i}_bn")
    pooled = x.mean(axis=(0, 1))
    return x, pooled, pooled @ weights["conv_preds/kernel"][0, 0] + weights["conv_preds/bias"]


def test_network_equals_its_twin(tmp_path: pathlib.Path) -> None:
    weights = drawn_weights()
    variables = load_mobilenet(save(tmp_path / "w.npz", weights), TINY)
    images = np.random.default_rng(1).random((2, 18, 13, 3)).astype(np.float32)
    out = jax.jit(TINY.apply)(variables, images)
    for i, image in enumerate(images):
        for found, expected in zip(out[:3], twin(image.astype(np.float64), weights), strict=True):  # type: ignore[arg-type]
            np.testing.assert_allclose(found[i], expected, rtol=2e-4, atol=2e-4)
    assert out.map.shape == (2, 3, 2, 5)  # type: ignore[union-attr]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 8), (1, 2)])
def test_depthwise_equals_xla(stride: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, *size, 5)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 5, 1)).astype(np.float32)
    expected = jax.lax.conv_general_dilated(
        x, kernel.transpose(0, 1, 3, 2), (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=5,
    )  # fmt: skip
    np.testing.assert_allclose(depthwise_conv(x, kernel, stride), expected, rtol=1e-5, atol=1e-5)


def test_published_size() -> None:
    shapes = jax.eval_shape(MobileNetV1().init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    sizes = [leaf.size for leaf in jax.tree.leaves(shapes)]
    assert (len(sizes), sum(sizes)) == (137, 2_601_976)


@pytest.mark.parametrize("key", ["conv1/kernel", "conv_dw_2_bn/moving_variance", "conv_preds/bias"])
def test_a_missing_array_is_named(tmp_path: pathlib.Path, key: str) -> None:
    weights = drawn_weights()
    del weights[key]
    with pytest.raises(WeightsError, match=f"has no array '{key}'"):
        load_mobilenet(save(tmp_path / "w.npz", weights), TINY)


def test_an_array_that_is_not_used_is_named(tmp_path: pathlib.Path) -> None:
    weights = drawn_weights() | {"conv_pw_9/kernel": np.zeros(3, np.float32)}
    with pytest.raises(WeightsError, match="array 'conv_pw_9/kernel' belongs to no part"):
        load_mobilenet(save(tmp_path / "w.npz", weights), TINY)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((1, 1, 7, 5), np.float32), r"kernel' is float32\[1, 1, 7, 5\], expected float32\[1, 1, 5, 7\]"),
        (np.zeros((1, 1, 5, 7), np.float64), r"is float64\[1, 1, 5, 7\]"),
        (np.full((1, 1, 5, 7), np.nan, np.float32), "'conv_preds/kernel' holds values that are not finite"),
    ],
)  # fmt: skip
def test_an_array_of_another_kind_is_named(tmp_path: pathlib.Path, value: np.ndarray, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        load_mobilenet(save(tmp_path / "w.npz", drawn_weights() | {"conv_preds/kernel": value}), TINY)


def test_no_file_and_no_weights(tmp_path: pathlib.Path) -> None:
    with pytest.raises(WeightsError, match="no weights at"):
        load_mobilenet(tmp_path / "w.npz", TINY)
    for data in (b"", b"not a file of arrays", b"PK\x03\x04 cut"):
        (tmp_path / "w.npz").write_bytes(data)
        with pytest.raises(WeightsError, match=r"is no \.npz file of arrays"):
            load_mobilenet(tmp_path / "w.npz", TINY)
    np.save(tmp_path / "w.npy", np.zeros(3))
    with pytest.raises(WeightsError, match=r"is no \.npz file of arrays"):
        load_mobilenet(tmp_path / "w.npy", TINY)


def test_examples() -> None:
    assert not doctest.testmod(mobilenet).failed
