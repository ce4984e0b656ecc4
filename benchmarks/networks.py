"""What `benchmarks/step.py` compares: sizes of the networks, batches, and how much each multiplies.

A count is that of matrix products and convolutions, two per multiplication and addition. A training step does each
product three times: forward, for the weights (or the other factor) and for the input, less what needs no gradient.
"""

import dataclasses
from collections.abc import Iterator
from typing import Protocol

COEFFICIENTS = 768  # of the linear code's blocks
BLOCK = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product:
    """Operations of one product for one picture, and how often a training step does it."""

    flops: float
    passes: int = 3


class Network(Protocol):
    """A network under comparison."""

    @property
    def side(self) -> int:
        """Of its square pictures."""
        ...

    @property
    def features(self) -> int:
        """Real latents per position."""
        ...

    def products(self) -> Iterator[Product]:
        """All products of the chain, for one picture."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepJSCC:
    """The five-layer network at 16 features per position."""

    side: int = 32
    features: int = 16
    kernel: int = 25

    def products(self) -> Iterator[Product]:
        """Its convolutions; (positions of a layer's small side, input channels, output channels)."""
        fine, coarse, z = (self.side // 2) ** 2, (self.side // 4) ** 2, self.features
        down = ((fine, 3, 16), (coarse, 16, 32), (coarse, 32, 32), (coarse, 32, 32), (coarse, 32, z))
        up = ((coarse, z, 32), (coarse, 32, 32), (coarse, 32, 32), (coarse, 32, 16), (fine, 16, 3))
        for i, (n, before, after) in enumerate((*down, *up)):
            yield Product(flops=2.0 * self.kernel * n * before * after, passes=3 if i else 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Swin:
    """An encoder of Swin blocks and its mirror; what stands around them is the subclasses' matter.

    Attributes:
      side: of the pictures.
      features: real latents per position.
      widths: of the encoder's stages, each of half the side.
      depths: their blocks.
      heads: their attention heads.
      window: side of the windows.
    """

    side: int
    features: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int

    def tokens(self, i: int) -> int:
        """Of a picture, after i + 1 halvings."""
        return (self.side // 2 ** (i + 1)) ** 2

    @property
    def positions(self) -> int:
        """Latent positions of a picture."""
        return self.tokens(len(self.widths) - 1)

    def blocks(self, i: int) -> Iterator[Product]:
        """The blocks of one stage; each layer's tokens are those of the grid filled up to whole windows."""
        grid, d = self.side // 2 ** (i + 1), self.widths[i]
        window = min(self.window, grid)
        full = (-(-grid // window) * window) ** 2
        for _ in range(self.depths[i]):
            yield Product(flops=2.0 * full * d * 4 * d)  # queries, keys, values and the output
            yield Product(flops=4.0 * full * window**2 * d)  # logits, and the sum of values
            yield Product(flops=2.0 * grid**2 * d * 8 * d)  # the two layers

    def both_ways(self) -> Iterator[Product]:
        """Stages and changes of grid, of both ends."""
        yield Product(flops=2.0 * self.tokens(0) * 12 * self.widths[0], passes=2)
        for i, width in enumerate(self.widths):
            yield from (product for _ in range(2) for product in self.blocks(i))
            if i:
                yield from 2 * [Product(flops=2.0 * self.tokens(i) * 4 * self.widths[i - 1] * width)]
        yield Product(flops=2.0 * self.positions * self.features * self.widths[-1])  # the decoder's first layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class GatedSwin(Swin):
    """The published form: an SNR gate on the coarsest features of either end."""

    def products(self) -> Iterator[Product]:
        """Networks and gates."""
        yield from self.both_ways()
        yield Product(flops=2.0 * self.positions * self.widths[-1] * self.features)
        yield Product(flops=2.0 * self.tokens(0) * self.widths[0] * 12)
        d = self.widths[-1]
        wide = 3 * d // 2
        for _ in range(2):
            yield Product(flops=2.0 * self.positions * d * wide, passes=2)
            yield Product(flops=2.0 * self.positions * (6 * wide * wide + wide * d))
            yield Product(flops=2.0 * 7 * 2 * wide * wide)  # the modulating networks, once per picture


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodedSwin(Swin):
    """The form on top of the linear code."""

    def products(self) -> Iterator[Product]:
        """Networks, FiLM, and the block transform of either end."""
        yield from self.both_ways()
        d = self.widths[-1]
        yield Product(flops=2.0 * self.positions * d * 2 * self.features)
        yield Product(flops=2.0 * self.positions * d * self.features)  # the receiver's gate
        yield Product(flops=2.0 * self.tokens(0) * 9 * self.widths[0] * 12)
        yield Product(flops=2 * sum(2.0 * (64 + 64 * width) for width in self.widths))
        blocks = (self.side // BLOCK) ** 2
        transform = 2.0 * blocks * COEFFICIENTS * (2 * BLOCK + 3)
        yield Product(flops=transform, passes=1)
        yield Product(flops=transform, passes=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A network, its opponents and batches.

    Attributes:
      network: its sizes.
      batches: pictures per step.
      opponents: forms of the twin in torch; the faster one counts.
      config: this package's configuration of it; "" for DeepJSCC, which the worker puts together.
      file: where results go.
    """

    network: Network
    batches: tuple[int, ...]
    opponents: tuple[str, str]
    config: str = ""
    file: str

    def flops(self, job: str, batch: int) -> float:
        """Of a job ("step" or "inference") at a batch size."""
        return batch * sum(p.flops * (p.passes if job == "step" else 1) for p in self.network.products())


ATTENTION = ("torch", "torch_fused_attention")
COMPARISONS = {
    "deepjscc": Comparison(
        network=DeepJSCC(),
        batches=(64, 256),
        opponents=("torch", "torch_channels_last"),
        file="step_benchmark.json",
    ),
    "swin_cifar": Comparison(
        network=GatedSwin(side=32, features=16, widths=(128, 256), depths=(2, 4), heads=(4, 8), window=2),
        batches=(16, 64),
        opponents=ATTENTION,
        config="configs/swinjscc.py:public_cifar",
        file="step_benchmark_swin_cifar.json",
    ),
    "swin_small": Comparison(
        network=CodedSwin(
            side=128, features=192, widths=(32, 64, 128, 192), depths=(0, 2, 2, 2), heads=(1, 2, 4, 6), window=8
        ),
        batches=(4, 8),
        opponents=ATTENTION,
        config="configs/swinjscc.py:natural",
        file="step_benchmark_swin_small.json",
    ),
}
