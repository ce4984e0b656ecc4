"""The benchmark's student from pixels: `semjax.importance.picture_student`, distilled from the labels of train.

    q_r = Σ_t share[r, t] · sigmoid(v_t)                                   the mean of the student's map within object r
    cost = Σ_{r, s} BCE(q_rs, M_rs) + ridge/2 · Σ (weight · spread of what it weighs)²

M is the label, v the student's vector (its logits / T, under every scenario). The spread makes the penalty blind to the
units of features: over each layer's inputs together the deviation is 1, over the places √(3/10). The least cost is
looked for by L-BFGS in a fixed number of steps from zero: nothing is drawn, so the student is the same each time. The
ridge is chosen on val, by squared error.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from semjax.benchmark.lessons import Lesson
from semjax.importance.picture_student import LAYERS, PictureStudent, places
from semjax.types import Public, Tree, struct

RIDGES = (0.1, 0.3, 1.0, 3.0)
STEPS = 60
PLACE_SHARE = 0.3
"""CHOICE: places, four numbers among thousands, count less than a layer of features."""
EDGE = 1e-3
"""CHOICE: no object is predicted nearer to 0 or 1 than this by the cost: labels have ten levels."""


@struct
class Gathered:
    """Lessons in one piece: t tokens that objects cover, p pictures, m objects, e pairs of an object and a token of it.

    Attributes:
      near, whole, place: inputs of the student's layers, centred and scaled as the penalty wants them.
      owner: picture of each token.
      region, token, share: which object, which token, and how much of the object's pixels lie in it.
      target: importance.
    """

    near: Float[Array, "t d"]
    whole: Float[Array, "p d"]
    place: Float[Array, "t 4"]
    owner: Int[Array, "t"]
    region: Int[Array, "e"]
    token: Int[Array, "e"]
    share: Float[Array, "e"]
    target: Float[Array, "m s"]


def fit(lessons: Sequence[Lesson], ridge: float) -> Tree:
    """The student of some lessons.

    Args:
      lessons: one for each picture.
      ridge: strength of the penalty.

    Returns:
      Parameters of `PictureStudent`.
    """
    inputs = _inputs(lessons)
    centre = {name: values.mean(axis=0) for name, values in inputs.items()}
    spread = {name: float(np.sqrt(values.var(axis=0).sum())) or 1.0 for name, values in inputs.items()}
    spread["place"] /= PLACE_SHARE**0.5
    told: Any = {name: (inputs[name] - centre[name]) / spread[name] for name in LAYERS} | _pairs(lessons)
    found = jax.device_get(_least(Gathered(**told), jnp.float32(ridge)))
    t = PictureStudent(scenarios=1).temperature
    kernels = {name: t * found[name] / spread[name] for name in LAYERS}
    bias = t * found["bias"] - sum(centre[name] @ kernels[name] for name in LAYERS)
    params: Any = {name: {"kernel": np.asarray(kernels[name], np.float32)} for name in LAYERS}
    params["place"]["bias"] = np.asarray(bias, np.float32)
    return params


def predict(params: Tree, lessons: Sequence[Lesson]) -> Float[np.ndarray, "m s"]:
    """The score of every object under every scenario: the mean of the student's map within it."""
    said = []
    for lesson in lessons:
        maps = importance_maps(params, lesson.features)
        said.append(lesson.share @ maps.reshape(len(maps), -1).T)
    return np.concatenate(said)


def importance_maps(params: Tree, features: Float[np.ndarray, "i j d"]) -> Float[np.ndarray, "s i j"]:
    """The student's maps of one picture under each scenario."""
    s = params["place"]["bias"].shape[0]
    same = np.broadcast_to(features, (s, *features.shape))
    return np.asarray(_applied(s)({"params": params}, same))


@functools.cache
def _applied(scenarios: int) -> Any:
    student = PictureStudent(scenarios=scenarios)
    nothing = jnp.zeros(scenarios)
    public = Public(snr_db=nothing, rate=nothing, scenario=jnp.arange(scenarios), height=0, width=0)
    return jax.jit(lambda variables, features: student.apply(variables, features, public, {}).importance)  # type: ignore[union-attr]


def chosen(train: Sequence[Lesson], val: Sequence[Lesson]) -> tuple[Tree, dict[float, float]]:
    """The student of train whose `ridge` has the least squared error on val; and those errors, by ridge."""
    students = {ridge: fit(train, ridge) for ridge in RIDGES}
    errors = {ridge: error(predict(params, val), val) for ridge, params in students.items()}
    return students[min(errors, key=errors.__getitem__)], errors


def error(said: Float[np.ndarray, "m s"], lessons: Sequence[Lesson]) -> float:
    """Mean squared error of importance in [0, 1]."""
    return float(np.mean((said - np.concatenate([lesson.target for lesson in lessons])) ** 2))


def _inputs(lessons: Sequence[Lesson]) -> dict[str, np.ndarray]:
    """Inputs of the student's layers: of each token that an object covers, and of each picture."""
    near, whole, place = [], [], []
    for lesson in lessons:
        i, j, d = lesson.features.shape
        covered = lesson.share.any(axis=0)
        near.append(lesson.features.reshape(i * j, d)[covered])
        whole.append(lesson.features.mean(axis=(0, 1)))
        place.append(places(i, j).reshape(i * j, -1)[covered])
    return {"near": np.concatenate(near), "whole": np.stack(whole), "place": np.concatenate(place)}


def _pairs(lessons: Sequence[Lesson]) -> dict[str, np.ndarray]:
    """Which token is of which picture and of which objects."""
    owner, region, token, share = [], [], [], []
    tokens = regions = 0
    for number, lesson in enumerate(lessons):
        inside = lesson.share[:, lesson.share.any(axis=0)]
        row, column = np.nonzero(inside)
        owner.append(np.full(inside.shape[1], number))
        region.append(row + regions)
        token.append(column + tokens)
        share.append(inside[row, column])
        regions, tokens = regions + inside.shape[0], tokens + inside.shape[1]
    target = np.concatenate([lesson.target for lesson in lessons]).astype(np.float32)
    arrays = {"owner": owner, "region": region, "token": token, "share": share}
    return {"target": target, **{name: np.concatenate(parts) for name, parts in arrays.items()}}


def _cost(weights: dict[str, Array], told: Gathered, ridge: Array) -> Array:
    whole = told.whole @ weights["whole"]
    v = told.near @ weights["near"] + whole[told.owner] + told.place @ weights["place"] + weights["bias"]
    parts = told.share[:, None] * jax.nn.sigmoid(v)[told.token]
    q = jnp.clip(jax.ops.segment_sum(parts, told.region, len(told.target)), EDGE, 1 - EDGE)
    bce = -jnp.sum(told.target * jnp.log(q) + (1 - told.target) * jnp.log1p(-q))
    return bce + ridge / 2 * sum(jnp.sum(jnp.square(weights[name])) for name in LAYERS)


@jax.jit
def _least(told: Gathered, ridge: Array) -> dict[str, Array]:
    """The weights of least cost."""
    s = told.target.shape[1]
    weights = {name: jnp.zeros((getattr(told, name).shape[1], s)) for name in LAYERS} | {"bias": jnp.zeros(s)}
    search = optax.lbfgs()

    def cost(weights: dict[str, Array]) -> Array:
        return _cost(weights, told, ridge)

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        weights, state = carry
        value, slope = optax.value_and_grad_from_state(cost)(weights, state=state)
        change, state = search.update(slope, state, weights, value=value, grad=slope, value_fn=cost)
        return (optax.apply_updates(weights, change), state), None

    return jax.lax.scan(step, (weights, search.init(weights)), length=STEPS)[0][0]
