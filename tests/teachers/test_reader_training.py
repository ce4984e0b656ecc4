"""What the reader is taught: right labels for every box, terms beside numpy, a step that learns, a clear refusal."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from semjax.contracts import Phase
from semjax.encoders.crop_reader import CropReader
from semjax.scenes.decoys import MOST_COVERED, covered
from semjax.scenes.render import render
from semjax.scenes.world import SceneConfig, sample_scene
from semjax.systems.base import picture_keys
from semjax.teachers.reader_boxes import ANYWHERE, box_of, lessons
from semjax.teachers.reader_training import LABELS, TERMS, ReaderTrainable, build_reader
from semjax.types import Batch, Public

COUNT = 64
PHASE = Phase(name="train", weights=dict.fromkeys(TERMS, 1.0))
TRAINABLE = ReaderTrainable(module=CropReader(width=32, embed=16, scene_width=8), PHASES=(PHASE,))


@functools.cache
def batch() -> Batch:
    def draw(key):
        scene = sample_scene(key, SceneConfig(), "train")
        return scene, render(scene, 64)

    scene, drawn = jax.device_get(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(1), COUNT)))
    row = np.ones(COUNT, np.float32)
    labels = {**vars(scene), "ids": drawn.ids}
    public = Public(snr_db=row, rate=row, height=64, width=64)
    return Batch(image=drawn.image, public=public, labels=labels, id=np.arange(COUNT), mask=row > 0)


@functools.cache
def taught():
    keys = jax.random.split(jax.random.key(2), COUNT)
    return jax.device_get(jax.jit(lessons)(batch().image, {k: batch().labels[k] for k in LABELS}, keys))


def test_boxes_are_read_as_what_is_in_them():
    lesson, labels = taught(), batch().labels
    slots = labels["present"].shape[1]
    for i in range(COUNT):
        changed = np.abs(lesson.image[i] - batch().image[i]).max(-1) > 1e-3
        masks = [labels["ids"][i] == slot + 1 for slot in range(slots)]
        for slot in range(slots):
            seen = labels["present"][i, slot]
            painted = changed[masks[slot]].mean() if seen else 1
            assert not (lesson.something[i, slot] and painted > MOST_COVERED)
            assert not (lesson.something[i, slot] and not seen)
            assert not (lesson.nothing[i, slot] and (not seen or painted < 0.9))
        left = [mask for slot, mask in enumerate(masks) if lesson.something[i, slot]]
        anywhere = lesson.boxes[i, slots:][lesson.nothing[i, slots:]]
        assert len(anywhere) == 0 or all(covered(anywhere, mask).max() <= MOST_COVERED for mask in left)
    assert lesson.boxes.shape == (COUNT, slots + ANYWHERE, 4)
    assert not (lesson.something & lesson.nothing).any()
    assert lesson.something.sum() > 2 * COUNT
    assert lesson.nothing[:, :slots].sum() > COUNT / 10
    assert lesson.nothing[:, slots:].sum() > 2 * COUNT


def test_boxes_are_moved_by_percents():
    labels = batch().labels
    true = np.asarray(box_of(labels["centre"], labels["radius"]))
    side = true[..., 2] - true[..., 0]
    np.testing.assert_allclose(side, labels["radius"], rtol=1e-5)
    gap = (taught().boxes[:, : true.shape[1]] - true) / side[..., None]
    assert 0.02 < gap.std() < 0.06
    assert np.abs(gap.mean()) < 0.01


@jax.jit
@functools.partial(jax.value_and_grad, has_aux=True)
def run(params, batch, key):
    """The loss of a batch, its gradients, and what it is made of."""
    outputs, _ = TRAINABLE.forward(params, {}, {}, batch, picture_keys(key, 0, batch.id), PHASE)
    terms = TRAINABLE.terms(outputs, batch, {})
    return sum(jnp.mean(term) for term in terms.values()), (outputs, terms, TRAINABLE.stats(outputs))


def fresh():
    return jax.jit(TRAINABLE.init)(jax.random.key(0), batch())[0]["codec"]


def test_terms_are_those_of_numpy():
    (_, (outputs, found, _)), _ = run(fresh(), batch(), jax.random.key(3))
    assert set(found) == set(TERMS)
    aux, labels, i = jax.device_get(outputs.aux), batch().labels, 5

    def cross(logits, right):
        return np.log(np.exp(logits.astype(np.float64)).sum()) - logits[right]

    yes, no = np.flatnonzero(aux["is_something"][i]), np.flatnonzero(aux["is_nothing"][i])
    assert len(yes)
    assert len(no)
    expected = {
        name: np.mean([cross(aux[name][i, box], labels[name][i, box]) for box in yes])
        for name in ("shape", "colour", "texture")
    }
    expected["background"] = cross(aux["background"][i], labels["background"][i])
    halves = [np.mean([cross(aux["something"][i, b], right) for b in own]) for own, right in ((yes, 1), (no, 0))]
    expected["something"] = np.mean(halves)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name][i], value, rtol=1e-4)
    assert outputs.signal.symbols.shape == outputs.received.symbols.shape == (COUNT, 0)


def test_following_the_gradients_learns():
    params, losses, stats = fresh(), [], {}
    for _ in range(40):
        (loss, (_, _, stats)), slopes = run(params, batch(), jax.random.key(1))
        params = jax.tree.map(lambda p, g: p - 0.05 * g, params, slopes)
        losses.append(float(loss))
    assert losses[-1] < 0.85 * losses[0]
    assert set(stats) == {"right_attributes", "right_something", "right_nothing", "right_background"}
    assert all(0 <= float(value) <= 1 for value in stats.values())


def test_pictures_without_truth_are_refused():
    bare = dataclasses.replace(batch(), labels={"present": batch().labels["present"]})
    keys = jax.random.split(jax.random.key(3), COUNT)
    with pytest.raises(ValueError, match=r'no labels shape, .*, ids: take "source": "scenes" with "truth": True'):
        TRAINABLE.forward({}, {}, {}, bare, keys, PHASE)


def test_the_builder_takes_widths_and_phases():
    class Parts:
        def phases(self, cfg):
            return tuple(cfg)

    class Run:
        phases = (PHASE,)

    made = build_reader(Run(), Parts(), width=64, embed=32)  # type: ignore[arg-type]
    assert made.PHASES == (PHASE,)
    assert (made.module.width, made.module.embed) == (64, 32)

    def init_and_read(key, images):
        params, _ = made.init(key, batch())
        return made.predict_fns()["read"]({"params": params["codec"]}, images, jnp.zeros((1, 3, 4)))

    found = jax.eval_shape(init_and_read, jax.random.key(0), batch().image[:1])
    assert found.shape.shape == (1, 3, 8)
