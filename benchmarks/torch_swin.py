"""Windows, gates and both networks of SwinJSCC in torch: the parts of `torch_swinjscc`.

Written from the published descriptions (arXiv 2308.09361, section III and Fig. 4; windows: arXiv 2103.14030) and from
the docstrings of this package; tokens are [b, h, w, d]. Parameters carry the paths of this package's own, with "weight"
for "kernel" and "scale", so that converting them is renaming and transposing.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from networks import Swin
from torch import Tensor, nn

Attend = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Attention of queries, keys and values [..., n, c] with a bias to be added to the logits."""


class Known(NamedTuple):
    """What both ends know, per picture."""

    snr_db: Tensor
    rate: Tensor

    def level(self) -> Tensor:
        """The SNR, 0 to 20 dB as -1 to 1."""
        return self.snr_db.clamp(-30, 60) / 10 - 1


class FiLM(nn.ModuleDict):
    """Scales and shifts features by SNR and rate."""

    def __init__(self, width: int) -> None:
        super().__init__({"in": nn.Linear(2, 32), "out": nn.Linear(32, 2 * width)})

    def forward(self, x: Tensor, known: Known) -> Tensor:
        number = torch.stack((known.level(), known.rate), dim=1)
        gain, offset = self["out"](F.gelu(self["in"](number), approximate="tanh"))[:, None, None].chunk(2, dim=-1)
        return torch.addcmul(offset, x, 1 + gain)


class ModNet(nn.ModuleDict):
    """Gates features by a network of themselves that one number modulates seven times."""

    def __init__(self, width: int, number: Callable[[Known], Tensor] = Known.level) -> None:
        wide = width * 3 // 2
        super().__init__({"in": nn.Linear(width, wide)})
        for i in range(7):
            self[f"layer_{i}"] = nn.Linear(wide, wide if i < 6 else width)
            self.update({f"gate_{i}_{j}": nn.Linear(wide if j else 1, wide) for j in range(3)})
        self.number = number

    def forward(self, x: Tensor, known: Known) -> Tensor:
        t, number = self["in"](x.detach()), self.number(known)[:, None]
        for i in range(7):
            hidden = F.relu(self[f"gate_{i}_1"](F.relu(self[f"gate_{i}_0"](number))))
            t = self[f"layer_{i}"](t * torch.sigmoid(self[f"gate_{i}_2"](hidden))[:, None, None])
        return x * torch.sigmoid(t)


class ModNets(nn.ModuleDict):
    """The SNR's gate, then the rate's."""

    def __init__(self, width: int) -> None:
        super().__init__({"snr": ModNet(width), "rate": ModNet(width, lambda known: known.rate)})

    def forward(self, x: Tensor, known: Known) -> Tensor:
        return self["rate"](self["snr"](x, known), known)


def plain_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention by two batched products."""
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias, dim=-1) @ v


def fused_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention by torch's own function."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


@functools.cache
def pair_index(window: int, down: int, across: int) -> Tensor:
    """Where the bias of each pair of a window's tokens lies in the flattened table."""
    y, x = torch.meshgrid(torch.arange(down), torch.arange(across), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return (y[:, None] - y + window - 1) * (2 * window - 1) + (x[:, None] - x + window - 1)


@functools.cache
def separation(grid: tuple[int, int], window: tuple[int, int], shift: tuple[int, int]) -> Tensor | None:
    """[windows, 1, n, n], -inf between tokens that lie in one window only because the grid was wrapped or filled up."""
    axes = []
    for side, w, s in zip(grid, window, shift, strict=True):
        place = (torch.arange(-(-side // w) * w) + s) % (-(-side // w) * w)  # where a moved token comes from
        kind = torch.where(place >= side, 2, torch.where(place < s, 1, 0))
        axes.append(kind.view(-1, w))
    filler = (axes[0][:, None, :, None] == 2) | (axes[1][None, :, None, :] == 2)
    kind = axes[0][:, None, :, None] + 3 * axes[1][None, :, None, :]
    kind = torch.where(filler, 9, kind).flatten(0, 1).flatten(1)
    apart = kind[:, :, None] != kind[:, None, :]
    return torch.zeros(apart.shape).masked_fill(apart, -math.inf)[:, None] if bool(apart.any()) else None


class Attention(nn.Module):
    """Attention within moved windows of a grid of tokens."""

    def __init__(self, width: int, heads: int, window: int, shift: int, attend: Attend) -> None:
        super().__init__()
        self.heads, self.window, self.shift, self.attend = heads, window, shift, attend
        self.bias = nn.Parameter(torch.empty(2 * window - 1, 2 * window - 1, heads).normal_(0, 0.02))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        for value in self.out.parameters():
            nn.init.zeros_(value)

    def forward(self, x: Tensor) -> Tensor:
        b, *grid, d = x.shape
        (down, across) = window = tuple(min(self.window, side) for side in grid)
        shift = tuple(self.shift if side > self.window else 0 for side in grid)
        rows, columns = -(-grid[0] // down), -(-grid[1] // across)
        full = rows * down, columns * across
        if full != tuple(grid):
            x = F.pad(x, (0, 0, 0, full[1] - grid[1], 0, full[0] - grid[0]))
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), dims=(1, 2))
        cut = self.qkv(x).view(b, rows, down, columns, across, 3, self.heads, d // self.heads)
        q, k, v = cut.permute(5, 0, 1, 3, 6, 2, 4, 7).reshape(3, b, rows * columns, self.heads, down * across, -1)
        table = self.bias.flatten(0, 1)[pair_index(self.window, down, across).flatten()]
        bias = table.view(down * across, down * across, self.heads).permute(2, 0, 1)[None]
        apart = separation((grid[0], grid[1]), window, shift)
        seen = self.attend(q, k, v, bias if apart is None else bias + apart)
        seen = seen.view(b, rows, columns, self.heads, down, across, -1).permute(0, 1, 4, 2, 5, 3, 6)
        seen = self.out(seen.reshape(b, *full, d))
        if any(shift):
            seen = seen.roll(shift, dims=(1, 2))
        return seen[:, : grid[0], : grid[1]]


class Block(nn.Module):
    """Attention, then two layers; starts as the identity."""

    def __init__(self, width: int, heads: int, window: int, shift: int, attend: Attend) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads, window, shift, attend)
        self.mlp_0, self.mlp_1 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for value in self.mlp_1.parameters():
            nn.init.zeros_(value)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_0(x))
        return x + self.mlp_1(F.gelu(self.mlp_0(self.norm_1(x)), approximate="tanh"))


def stage(net: Swin, i: int, attend: Attend) -> nn.Sequential:
    """Pairs of blocks, the second of each with moved windows."""
    blocks, pairs = functools.partial(Block, net.widths[i], net.heads[i], net.window, attend=attend), nn.Sequential()
    for j in range(net.depths[i] // 2):
        pair = nn.Sequential()
        for k, shift in enumerate((0, net.window // 2)):
            pair.add_module(f"block_{k}", blocks(shift))
        pairs.add_module(f"pair_{j}", pair)
    return pairs


def fold(x: Tensor) -> Tensor:
    """2x2 tokens into one."""
    return x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).transpose(2, 3).flatten(3)


def unfold(x: Tensor) -> Tensor:
    """One token into 2x2."""
    b, h, w, d = x.shape
    return x.view(b, h, w, 2, 2, d // 4).transpose(2, 3).reshape(b, 2 * h, 2 * w, d // 4)


class Encoder(nn.ModuleDict):
    """Stages at 1/2, 1/4, ... of the side; modulated after each stage, or gated at the end."""

    def __init__(self, net: Swin, out: int, attend: Attend, **parts: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.levels, before = len(net.widths), 3
        for i, width in enumerate(net.widths):
            self[f"merge_{i}"] = nn.Linear(4 * before, width, bias=i == 0)
            self[f"merge_norm_{i}"] = nn.LayerNorm(4 * before if i else width, eps=1e-6)
            self[f"stage_{i}"] = stage(net, i, attend)
            if "modulation" in parts:
                self[f"modulate_{i}"] = parts["modulation"](width)
            before = width
        self.update({"norm": nn.LayerNorm(before, eps=1e-6), "last": nn.Linear(before, out)})
        if "gate" in parts:
            self["gate"] = parts["gate"](before)

    def forward(self, x: Tensor, known: Known) -> Tensor:
        for i in range(self.levels):
            merge, norm = self[f"merge_{i}"], self[f"merge_norm_{i}"]
            x = self[f"stage_{i}"](merge(norm(fold(x))) if i else norm(merge(fold(x))))
            x = self[f"modulate_{i}"](x, known) if f"modulate_{i}" in self else x
        x = self["norm"](x)
        return self["last"](self["gate"](x, known) if "gate" in self else x)


class Decoder(nn.ModuleDict):
    """The mirror; `coarse` then `fine`."""

    def __init__(self, net: Swin, last: nn.Module, attend: Attend, **parts: Callable[[int], nn.Module]) -> None:
        super().__init__({"first": nn.Linear(net.features, net.widths[-1])})
        self.levels = len(net.widths)
        for i, width in enumerate(net.widths[::-1]):
            self[f"stages_{i}"] = stage(net, self.levels - 1 - i, attend)
            self[f"norms_{i}"] = nn.LayerNorm(width, eps=1e-6)
            if i + 1 < self.levels:
                self[f"splits_{i}"] = nn.Linear(width, 4 * net.widths[self.levels - 2 - i], bias=False)
            if "modulation" in parts:
                self[f"modulated_{i}"] = parts["modulation"](width)
        self["last"] = last
        if "gate" in parts:
            self["gated"] = parts["gate"](net.widths[-1])

    def _stage(self, i: int, x: Tensor, known: Known) -> Tensor:
        x = self[f"stages_{i}"](x)
        return self[f"modulated_{i}"](x, known) if f"modulated_{i}" in self else x

    def coarse(self, latents: Tensor, known: Known) -> Tensor:
        x = self["first"](latents)
        return self._stage(0, self["gated"](x, known) if "gated" in self else x, known)

    def fine(self, x: Tensor, known: Known) -> Tensor:
        for i in range(self.levels - 1):
            x = self._stage(i + 1, unfold(self[f"splits_{i}"](self[f"norms_{i}"](x))), known)
        return unfold(self["last"](self[f"norms_{self.levels - 1}"](x)))
