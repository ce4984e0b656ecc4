"""What travels between the parts: array aliases and the structs of the chain.

Letters, everywhere in the package:

    b batch      h w  picture height and width    c  channels (3 = RGB)
    n tokens     d    feature width                k  channel uses (one complex symbol each)
    v codebook   l    text length                  m  bits

Units are in the names: `snr_db` is the average Es/N0 per complex channel use in dB, `noise_var` the noise variance per
complex channel use, `cbr` = channel uses / (h * w * 3), `bpp` = bits / (h * w).

Images are float32 in [0, 1], NHWC, at every boundary. Every struct here is a frozen dataclass registered as a JAX
pytree; `height` and `width` of `Public` are static metadata.
"""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
from jaxtyping import Array, Bool, Complex, Float, Int, Key, UInt8

Image = Float[Array, "b h w 3"]
Symbols = Complex[Array, "b k"]
Used = Float[Array, "b k"]
PerImage = Float[Array, "b"]
Keys = Key[Array, "b"]
Tree = Any
"""A pytree of arrays (parameters, collections, optimiser state)."""

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def struct(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen keyword-only dataclass and a pytree; `static()` fields become metadata."""
    made = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    fields = dataclasses.fields(made)  # type: ignore[arg-type]
    meta = [f.name for f in fields if f.metadata.get("static")]
    data = [f.name for f in fields if f.name not in meta]
    return jax.tree_util.register_dataclass(made, data_fields=data, meta_fields=meta)


def static() -> Any:
    """Marks a `struct` field as static metadata: part of the tree's structure, never traced."""
    return dataclasses.field(metadata={"static": True})


def _empty() -> Any:
    return dataclasses.field(default_factory=dict)


@struct
class Bits:
    """A batch of bit strings of static room `m`; the first `length` bits of each row are used."""

    bits: UInt8[Array, "b m"]
    length: Int[Array, "b"]


@struct
class Public:
    """All that both ends know by agreement, at no cost.

    `rate` is the agreed rate token (a fraction of the full rate, 1 = full), `text` the query or scenario tokens,
    `scenario` its id. `height` and `width` are the true picture size, before any padding.
    """

    snr_db: Float[Array, "b"]
    rate: Float[Array, "b"]
    text: Int[Array, "b l"] | None = None
    scenario: Int[Array, "b"] | None = None
    height: int = static()
    width: int = static()


@struct
class Signal:
    """What a transmitter hands over.

    `symbols` is the analog part, packed so that the used symbols come first (`used` is a prefix of ones); `used` itself
    is never passed on. `ints` goes digitally, before coding. `relaxed` holds straight-through carriers of `ints` for
    training and is dropped in evaluation. `est_bits` are training-time rate estimates, `aux` what losses need.
    """

    symbols: Complex[Array, "b k"]
    used: Float[Array, "b k"]
    ints: dict[str, Array] = _empty()
    relaxed: dict[str, Array] = _empty()
    est_bits: dict[str, Array] = _empty()
    aux: dict[str, Array] = _empty()


@struct
class ChannelOut:
    """What a channel hands over: `symbols = csi * sent + noise` with noise `CN(0, noise_var)`; `csi` None means 1.

    `uses` counts the channel uses spent, by kind ("analog", "pilots"), per picture.
    """

    symbols: Complex[Array, "b k"]
    noise_var: Float[Array, "b k"]
    csi: Complex[Array, "b k"] | None = None
    uses: dict[str, Array] = _empty()


@struct
class Received:
    """All that a receiver has. `ok[name]` says per picture or token whether `ints[name]` arrived."""

    symbols: Complex[Array, "b k"]
    noise_var: Float[Array, "b k"]
    csi: Complex[Array, "b k"] | None = None
    ints: dict[str, Array] = _empty()
    relaxed: dict[str, Array] = _empty()
    ok: dict[str, Array] = _empty()
    uses: dict[str, Array] = _empty()


@struct
class Batch:
    """A batch of pictures. `given` is truth that only named variants may read; `mask` is False on padding rows."""

    image: Float[Array, "b h w 3"]
    public: Public
    labels: dict[str, Array] = _empty()
    given: dict[str, Array] = _empty()
    id: Int[Array, "b"]
    mask: Bool[Array, "b"]


@struct
class Outputs:
    """What one pass over the chain produced."""

    image: Float[Array, "b h w 3"]
    signal: Signal
    received: Received
    aux: dict[str, Array] = _empty()
