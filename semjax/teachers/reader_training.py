"""The training of the reader: a mini tower in the house's loop.

    picture, truth ─► lesson (boxes, some things painted over) ─► damage ─► crops ─► CropReader ─► cross-entropies

Terms, each a mean over the boxes of a picture that it concerns: `shape`, `colour`, `texture` over boxes of objects;
`something`, half over boxes that hold something and half over those that hold nothing; `background`. Nothing is sent:
the signal is empty, and the picture comes out as it went in.

The pictures are scenes with their truth as labels (source `scenes`, option `truth`), of every class, pair and
background: a teacher sees all of them. The weights that ship were made by

    python train.py --config configs/reader.py:full --workdir runs/reader
    python -m semjax.app.export runs/reader OUT

as `semjax/teachers/reader_scenes.npz` (OUT/params.npz).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from semjax.contracts import Phase, SideCodec
from semjax.encoders.crop_reader import CropReader, Readings, crops_of, read, whole_of
from semjax.systems.base import Parts
from semjax.teachers.damage import damaged
from semjax.teachers.reader_boxes import lessons
from semjax.types import Batch, Keys, Outputs, PerImage, Received, Signal, Tree

LABELS = ("shape", "colour", "texture", "centre", "radius", "present", "background", "ids")
ATTRIBUTES = ("shape", "colour", "texture")
TERMS = (*ATTRIBUTES, "something", "background")
LESSON_SLOT, DAMAGE_SLOT = 0, 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReaderTrainable:
    """The crop reader as something to train; one player, "codec".

    Attributes:
      module: the network.
      PHASES: the phases.
    """

    module: CropReader
    PHASES: tuple[Phase, ...]
    name: str = "reader"
    variant: str = "default"
    side_codecs: Mapping[str, SideCodec] = dataclasses.field(default_factory=dict)
    payload_streams: tuple[str, ...] = ()

    def init(self, key: Array, batch: Batch) -> tuple[dict[str, Tree], Tree]:
        """Parameters of "codec"; no other collections."""
        images = jnp.asarray(batch.image)
        boxes = jnp.zeros((len(images), 1, 4))
        variables = self.module.init(key, crops_of(images, boxes), whole_of(images))
        return {"codec": variables["params"]}, {}

    def forward(
        self, params: Tree, collections: Tree, frozen: Tree, batch: Batch, keys: Keys, phase: Phase
    ) -> tuple[Outputs, Tree]:
        """Readings of a lesson drawn for each picture, in `aux`, with what is right.

        Raises:
          ValueError: the batch has no truth.
        """
        missing = [name for name in LABELS if name not in batch.labels]
        if missing:
            raise ValueError(
                f"the reader learns from scenes with their truth, and the batch has no labels {', '.join(missing)}: "
                'take "source": "scenes" with "truth": True'
            )
        split = jax.vmap(lambda key: jax.random.split(key, 2))(keys)
        lesson = lessons(batch.image, batch.labels, split[:, LESSON_SLOT])
        readings = read(
            {"params": params}, damaged(lesson.image, split[:, DAMAGE_SLOT]), lesson.boxes, module=self.module
        )
        aux = {name: getattr(readings, name) for name in TERMS}
        aux |= {"is_something": lesson.something, "is_nothing": lesson.nothing}
        aux |= {f"true_{name}": batch.labels[name] for name in (*ATTRIBUTES, "background")}
        return _nothing_sent(batch, aux), collections

    def terms(self, outputs: Outputs, batch: Batch, frozen: Tree) -> dict[str, PerImage]:
        """The cross-entropies of the module's docstring, in nats."""
        aux, cross = outputs.aux, optax.softmax_cross_entropy_with_integer_labels
        slots = batch.labels["present"].shape[1]
        objects = aux["is_something"][:, :slots]
        found = {
            name: _mean(cross(aux[name][:, :slots], jnp.asarray(batch.labels[name], jnp.int32)), objects)
            for name in ATTRIBUTES
        }
        yes, no = aux["is_something"], aux["is_nothing"]
        wrong = cross(aux["something"], yes.astype(jnp.int32))
        found["something"] = (_mean(wrong, yes) + _mean(wrong, no)) / 2
        found["background"] = cross(aux["background"], jnp.asarray(batch.labels["background"], jnp.int32))
        return found

    def critic_terms(
        self, params: Tree, outputs: Outputs, batch: Batch, frozen: Tree, keys: Keys
    ) -> dict[str, PerImage]:
        """None: there is no critic."""
        return {}

    def stats(self, outputs: Outputs) -> dict[str, Float[Array, ""]]:
        """Shares of the boxes of damaged pictures that are read right: all three attributes, something, nothing."""
        aux = outputs.aux
        slots = aux["true_shape"].shape[1]
        objects = aux["is_something"][:, :slots]
        right = jnp.stack([jnp.argmax(aux[n][:, :slots], -1) == aux[f"true_{n}"] for n in ATTRIBUTES])
        says = jnp.argmax(aux["something"], -1) == 1
        return {
            "right_attributes": jnp.mean(jnp.all(right, axis=0), where=objects),
            "right_something": jnp.mean(says, where=aux["is_something"]),
            "right_nothing": jnp.mean(~says, where=aux["is_nothing"]),
            "right_background": jnp.mean(jnp.argmax(aux["background"], -1) == aux["true_background"]),
        }

    def predict_fns(self) -> dict[str, Callable[..., Any]]:
        """{"read": f(variables, images, boxes) -> Readings}: a reader has no two ends."""

        def apply(variables: Tree, images: Array, boxes: Array) -> Readings:
            return read(variables, images, boxes, module=self.module)

        return {"read": apply}


def build_reader(
    cfg: Any, parts: Parts, *, width: int = 256, embed: int = 128, scene_width: int = 32
) -> ReaderTrainable:
    """The reader from a run's config: section `phases`, which weighs `TERMS`; options from `system`."""
    module = CropReader(width=width, embed=embed, scene_width=scene_width)
    return ReaderTrainable(module=module, PHASES=parts.phases(cfg.phases))


def _mean(values: Float[Array, "b d"], where: Bool[Array, "b d"]) -> PerImage:
    """The mean of the marked values of each picture; 0 where none is marked."""
    return jnp.sum(jnp.where(where, values, 0), axis=1) / jnp.maximum(jnp.sum(where, axis=1), 1)


def _nothing_sent(batch: Batch, aux: dict[str, Array]) -> Outputs:
    empty = jnp.zeros((len(batch.image), 0))
    symbols = empty.astype(jnp.complex64)
    return Outputs(
        image=batch.image,
        signal=Signal(symbols=symbols, used=empty),
        received=Received(symbols=symbols, noise_var=empty),
        aux=aux,
    )
