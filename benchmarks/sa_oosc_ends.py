"""Both ends of one checkpoint, compiled once, and what is measured with them: pictures, lengths, importance."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sa_oosc_models import SEED, Condition, Model, Shown, joined, links

from semjax.bottlenecks.linear import PATCH
from semjax.contracts import SideCodec
from semjax.evaluators.base import Chain, Sent, chain, public_of
from semjax.evaluators.exam import SceneExam
from semjax.evaluators.regions import mattering, region_scores
from semjax.importance.maps import object_scores, pixels_of, scenario_rows
from semjax.link.rate import Rates, rates
from semjax.link.transport import ideal_link
from semjax.metrics import METRICS
from semjax.types import Bits, Image, PerImage

REGIONAL = ("psnr_high", "psnr_low", "iw_psnr", "ssim_high")
ANY_SNR_DB = 7.0
"""Lengths and side information do not depend on the SNR."""
MAP = "rates"
"""The stream without which a receiver can show nothing."""
Arrays = dict[str, np.ndarray]


class Remembered:
    """A codec that does not decode again what it has coded itself in this process.

    What it has not coded, because the link damaged it, is decoded. The first maps are decoded in any case and compared.

    Args:
      codec: does the work.
    """

    CHECKED, MOST = 64, 50_000

    def __init__(self, codec: SideCodec):
        self.codec = codec
        self.constant_length = getattr(codec, "constant_length", False)
        self._bits: dict[bytes, np.ndarray] = {}
        self._rows: dict[bytes, np.ndarray] = {}
        self._checked = 0

    def pack(self, array: np.ndarray) -> Bits:
        """See `SideCodec`."""
        if len(self._bits) > self.MOST:
            self._bits.clear()
            self._rows.clear()
        keys = [row.tobytes() for row in array]
        new = {key: i for i, key in enumerate(keys) if key not in self._bits}
        if new:
            packed = self.codec.pack(array[list(new.values())])
            for key, bits, length in zip(new, *jax.device_get((packed.bits, packed.length)), strict=True):
                self._bits[key] = bits[:length]
                self._rows[bits[:length].tobytes()] = array[new[key]]
        told = [self._bits[key] for key in keys]
        bits = np.zeros((len(told), max(map(len, told))), np.uint8)
        for row, one in zip(bits, told, strict=True):
            row[: len(one)] = one
        return Bits(bits=jnp.asarray(bits), length=jnp.asarray([len(one) for one in told], jnp.int32))

    def unpack(self, bits: Bits, like: np.ndarray) -> np.ndarray:
        """See `SideCodec`.

        Raises:
          ValueError: the codec is not lossless.
        """
        values, length = jax.device_get((bits.bits, bits.length))
        found = [self._rows.get(row[:n].tobytes()) for row, n in zip(values, length, strict=True)]
        new = [i for i, row in enumerate(found) if row is None or self._checked < self.CHECKED]
        self._checked += len(new)
        read = np.zeros_like(like)
        if new:
            chosen: Any = values[new], length[new]  # on the host: each number of rows would be a program of its own
            read[new] = self.codec.unpack(Bits(bits=chosen[0], length=chosen[1]), like[new])
        for i, row in enumerate(found):
            if row is not None and i in new and not np.array_equal(read[i], row):
                raise ValueError(f"{self.codec} does not give back what it was given, in row {i} of {len(found)}")
            read[i] = read[i] if row is None else row
        return read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A system that is taken for another one if it has the same module: seeds share their compiled programs."""

    trainable: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trained) and self.trainable.module == other.trainable.module

    def __hash__(self) -> int:
        return hash(self.trainable.module)


@functools.cache
def _compiled(trained: Trained) -> Chain:
    made = chain(trained.trainable, links=ideal_link)
    return dataclasses.replace(made, codecs={name: Remembered(codec) for name, codec in made.codecs.items()})


@functools.partial(jax.jit, static_argnames="module")
def _told(
    variables: Any, frozen: Any, image: Image, public: Any, given: Any, *, module: Any
) -> tuple[Any, Any, PerImage]:
    variables = {**variables, "params": {**variables["params"], **frozen.get("tower", {})}}
    signal = module.apply(variables, image, public, given, method="transmit")
    return signal.ints, signal.aux["importance"], jnp.sum(signal.used, axis=-1)


class Ends:
    """Both ends of a checkpoint.

    Args:
      model: the checkpoint.
    """

    def __init__(self, model: Model):
        loaded = model.load()
        self.model, self.trainable, self.variables = model, loaded.trainable, loaded.variables
        self.frozen = loaded.frozen
        self.trained = getattr(loaded.trainable, "rates", None) or (1.0, 1.0)
        self.chain = _compiled(Trained(trainable=loaded.trainable))
        self.codecs: Any = self.chain.codecs

    def given(self, batch: Mapping[str, Any], public: Any) -> dict[str, Any]:
        """The truth that a variant reads; {} for one that reads none."""
        given_of = getattr(self.trainable, "given_of", None)
        labels = {k.removeprefix("labels/"): jnp.asarray(v) for k, v in batch.items() if k.startswith("labels/")}
        return given_of(labels, public) if given_of else {}

    def sent(self, batch: Mapping[str, Any], *, token: float, snr_db: float) -> tuple[Sent, Any]:
        """What leaves the transmitter, and what is public of it."""
        public = public_of(batch, snr_db=snr_db, rate=token)
        image, given = jnp.asarray(batch["image"]), self.given(batch, public)
        return self.chain.encode(self.variables, self.frozen, image=image, public=public, given=given), public

    def uses(self, pictures: Shown, *, token: float) -> np.ndarray:
        """Analog uses of each picture; nothing is coded."""
        parts, masks = [], []
        for batch in pictures:
            public = public_of(batch, snr_db=ANY_SNR_DB, rate=token)
            image, given = jnp.asarray(batch["image"]), self.given(batch, public)
            signal = self.chain.transmit(self.variables, self.frozen, image, public, given)
            parts.append({"uses": np.asarray(jnp.sum(signal.used, axis=-1))})
            masks.append(batch["_mask"])
        return joined(parts, masks)["uses"]

    def signals(self, pictures: Shown, *, token: float) -> Iterator[tuple[dict[str, Any], Arrays, Arrays]]:
        """Of each batch: itself, its integer streams, and "importance" of tokens with "uses" of pictures."""
        for batch in pictures:
            public = public_of(batch, snr_db=ANY_SNR_DB, rate=token)
            given, module = self.given(batch, public), self.trainable.module  # type: ignore[attr-defined]
            told = _told(self.variables, self.frozen, jnp.asarray(batch["image"]), public, given, module=module)
            ints, importance, uses = jax.device_get(told)
            yield batch, ints, {"importance": importance, "uses": uses}


def transmitted(ends: Ends, pictures: Shown, *, condition: Condition, token: float, asks: bool) -> Arrays:
    """Sends every picture once over the real chain.

    Args:
      ends: of the checkpoint.
      pictures: what is sent.
      condition: over what.
      token: the rate token.
      asks: whether a reader is asked about what arrived.

    Returns:
      One value per picture by metric, "cbr_KIND" among them; NaN where a picture has no such part; and "id".
    """
    over = dataclasses.replace(ends.chain, links=links(condition.link))
    key, parts, masks = jax.random.key(SEED), [], []
    for batch in pictures:
        sent, public = ends.sent(batch, token=token, snr_db=condition.snr_db)
        arrived = over.deliver(sent, channel=condition.analog, key=key, draw=0, ids=batch["id"], snr_db=public.snr_db)
        image = over.decode(ends.variables, ends.frozen, received=arrived, public=public)
        spent = rates(arrived.uses, height=public.height, width=public.width)
        found = measured(image, batch, spent=spent, exam=pictures.exam if asks else None)
        if MAP in arrived.ok:
            found["outage"] = 1.0 - np.asarray(arrived.ok[MAP])
        parts.append(found)
        masks.append(batch["_mask"])
    return joined(parts, masks)


def measured(image: Image, batch: Mapping[str, Any], *, spent: Rates, exam: SceneExam | None) -> Arrays:
    """What received pictures are worth.

    Args:
      image: received pictures.
      batch: what was sent.
      spent: what that cost.
      exam: asks a reader about them, if given.

    Returns:
      One value per picture by metric, and "id"; see `transmitted`.
    """
    found = {"id": batch["id"], "psnr": np.asarray(_psnr(image, jnp.asarray(batch["image"])))}
    found |= region_scores(image, jnp.asarray(batch["image"]), mattering(batch), REGIONAL)
    found |= {field.name: getattr(spent, field.name) for field in dataclasses.fields(spent)}
    return found | (exam.counts(jax.device_get(image), batch) if exam else {})


_psnr = jax.jit(METRICS["psnr"])


def coded(ends: Ends, pictures: Shown, *, token: float) -> Arrays:
    """What each picture's side information costs in bits, and its map of lengths.

    Returns:
      "uses" of the analog part, "bits/STREAM" as really coded, "ideal/rates" as the prior would code, "index".
    """
    parts, masks = [], []
    for batch, ints, told in ends.signals(pictures, token=token):
        bits = {f"bits/{name}": np.asarray(ends.codecs[name].pack(ints[name]).length) for name in sorted(ints)}
        ideal = ends.codecs[MAP].codec.cost_bits(ints[MAP])  # type: ignore[attr-defined]
        parts.append({"id": batch["id"], "uses": told["uses"], **bits, "ideal/rates": ideal, "index": ints[MAP]})
        masks.append(batch["_mask"])
    return joined(parts, masks)


def scored(ends: Ends, pictures: Shown, *, token: float) -> Arrays:
    """What the transmitter takes for important, and what it spends where.

    Returns:
      Of each region (0: the background) of each picture, [p, m]: "score", the mean importance of its pixels; "spent",
      their mean length; "truth"; "there", whether it shows. Of tokens, [p, i, j]: "importance" and "length".
    """
    levels, parts, masks = ends.trainable.module.bottleneck.rates, [], []  # type: ignore[attr-defined]
    for batch, ints, told in ends.signals(pictures, token=token):
        ids, truth = jnp.asarray(batch["labels/ids"]), jnp.asarray(batch["labels/importance"])
        lengths = levels.dimensions(jnp.asarray(ints[MAP]))
        maps = {"score": jnp.asarray(told["importance"]), "spent": lengths.astype(jnp.float32)}
        found = {name: _regions(values, ids, regions=truth.shape[-1]) for name, values in maps.items()}
        parts.append(
            {
                **{name: np.asarray(each.value) for name, each in found.items()},
                "id": batch["id"],
                "truth": np.asarray(scenario_rows(truth, jnp.asarray(batch["scenario"]))),
                "there": (np.asarray(found["score"].count) > 0) & np.asarray(batch["labels/valid"]),
                "importance": told["importance"],
                "length": np.asarray(lengths),
            }
        )
        masks.append(batch["_mask"])
    return joined(parts, masks)


def _regions(tokens: jax.Array, ids: jax.Array, *, regions: int) -> Any:
    height, width = ids.shape[1:]
    return object_scores(pixels_of(tokens, stride=PATCH, height=height, width=width), ids, regions)
