"""Optimisers by rule: a regular expression per group of parameters says how fast it learns, or that it does not.

Each parameter has the path "player/module/.../name". The first rule whose regex is found in the path decides: its
number multiplies the learning rate, `None` freezes. A parameter that no rule matches is an error, never a default.
"""

import dataclasses
import re
from collections.abc import Sequence

import jax
import optax
from jaxtyping import Array

from semjax.types import Tree

Rules = Sequence[tuple[str, float | None]]


def path_name(path: tuple, player: str) -> str:
    """ "player/a/b/kernel" of a tree path."""
    return "/".join([player, *(str(getattr(entry, "key", getattr(entry, "name", entry))) for entry in path)])


def multipliers(params: Tree, player: str, rules: Rules) -> Tree:
    """Learning-rate factor per parameter; 0 where frozen.

    Raises:
      ValueError: naming up to five parameters that no rule matches.
    """
    unmatched: list[str] = []

    def factor(path: tuple, _: Array) -> float:
        name = path_name(path, player)
        for pattern, value in rules:
            if re.search(pattern, name):
                return 0.0 if value is None else float(value)
        unmatched.append(name)
        return 0.0

    tree = jax.tree_util.tree_map_with_path(factor, params)
    if unmatched:
        shown = ", ".join(unmatched[:5]) + (", ..." if len(unmatched) > 5 else "")
        raise ValueError(
            f"{len(unmatched)} parameters match no rule of optim.rules: {shown}; add a rule, or ('.*', 1.0) as the last"
        )
    return tree


def trainable_mask(params: Tree, player: str, pattern: str) -> Tree:
    """1.0 where `pattern` is found in the parameter's path, else 0.0."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: 1.0 if re.search(pattern, path_name(path, player)) else 0.0, params
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """A gradient transformation whose updates are scaled per parameter.

    Attributes:
      transform: the shared transformation; its updates already hold the learning rate.
      rules: see the module's docstring.
      schedule: step → learning rate, for logging.
      ema_decay: decay of the parameters' moving average.
    """

    transform: optax.GradientTransformation
    rules: Rules = ((".*", 1.0),)
    schedule: optax.Schedule = dataclasses.field(default=optax.constant_schedule(1.0))
    ema_decay: float = 0.999

    def init(self, params: Tree, player: str) -> Tree:
        """Optimiser state; checks that every parameter matches a rule."""
        multipliers(params, player, self.rules)
        return self.transform.init(params)

    def update(self, grads: Tree, state: Tree, params: Tree, *, scale: Tree) -> tuple[Tree, Tree]:
        """New parameters and optimiser state; `scale` is a tree of floats (0 keeps a parameter bitwise)."""
        masked = jax.tree.map(lambda g, s: g * (s != 0.0), grads, scale)
        updates, state = self.transform.update(masked, state, params)
        return jax.tree.map(lambda p, u, s: p + u * s if s else p, params, updates, scale), state


def make_schedule(*, lr: float, schedule: str, warmup: int, total_steps: int) -> optax.Schedule:
    """Linear warm-up, then "cosine" down to lr/100 or "constant".

    Raises:
      ValueError: for another name.
    """
    after = max(total_steps - warmup, 1)
    kinds = {
        "cosine": lambda: optax.cosine_decay_schedule(lr, after, alpha=0.01),
        "constant": lambda: optax.constant_schedule(lr),
    }
    if schedule not in kinds:
        raise ValueError(f"optim.schedule {schedule!r} is unknown; it is one of {', '.join(kinds)}")
    if not warmup:
        return kinds[schedule]()
    return optax.join_schedules([optax.linear_schedule(0.0, lr, warmup), kinds[schedule]()], [warmup])


def adamw(
    *,
    schedule: optax.Schedule,
    weight_decay: float = 0.0,
    clip: float = 0.0,
    b1: float = 0.9,
    b2: float = 0.999,
    rules: Rules = ((".*", 1.0),),
    ema_decay: float = 0.999,
) -> Optimizer:
    """AdamW with a global-norm clip (0 = none); weight decay only on parameters of two or more axes."""
    parts = [optax.clip_by_global_norm(clip)] if clip else []
    parts.append(optax.scale_by_adam(b1=b1, b2=b2))
    if weight_decay:
        matrices = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)  # noqa: E731
        parts.append(optax.add_decayed_weights(weight_decay, mask=matrices))
    parts.append(optax.scale_by_learning_rate(schedule))
    return Optimizer(transform=optax.chain(*parts), rules=rules, schedule=schedule, ema_decay=ema_decay)
