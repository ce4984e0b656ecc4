"""Pictures made with numpy, and a codec that counts what it is asked to do."""

import dataclasses

import numpy as np
import pytest

from semjax.codecs.base import Picture


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Slopes, edges and noise: uint8[44, 61, 3]; neither side is a multiple of a block."""
    y, x = np.mgrid[0:44, 0:61]
    slopes = np.stack([3 * x + y, 200 - 2 * y - x, 120 + 60 * np.sin(x / 9) * np.cos(y / 7)], axis=-1)
    edges = np.where(((x // 13 + y // 11) % 2 == 0)[..., None], [40, 0, -30], 0)
    noise = np.random.default_rng(0).normal(0, 6, slopes.shape)
    return np.clip(np.rint(slopes + edges + noise), 0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fake:
    """Lossless up to rounding; the payload of setting i has `sizes[i]` bytes."""

    sizes: tuple[int, ...]
    name: str = "fake"
    terms: str = "version 1"
    compressed: list[int] = dataclasses.field(default_factory=list, hash=False)

    @property
    def settings(self) -> tuple[float, ...]:
        """One per size; the larger, the nearer the picture comes."""
        return tuple(map(float, range(len(self.sizes))))

    def compress(self, image: Picture, index: int) -> bytes:
        """The first sample of the picture, repeated."""
        self.compressed.append(index)
        return bytes([index]) + bytes([int(image[0, 0, 0])]) * (self.sizes[index] - 1)

    def decompress(self, payload: bytes, *, height: int, width: int) -> Picture:
        """That sample, off by the distance to the finest setting."""
        off = len(self.sizes) - 1 - payload[0]
        return np.full((height, width, 3), payload[1] - off, np.uint8)


@pytest.fixture
def fake() -> type[Fake]:
    """The codec that counts."""
    return Fake
