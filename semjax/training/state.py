"""The state of a run: everything a step changes.

Per player: parameters, optimiser state, and an exponential moving average of the parameters, which starts as a copy
(a donated state may not hold one buffer twice).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from semjax.contracts import Trainable
from semjax.training.optim import Optimizer
from semjax.types import Batch, Tree, struct


@struct
class State:
    """What a step takes and returns. `collections` holds the non-gradient variables of the modules."""

    params: dict[str, Tree]
    opt: dict[str, Tree]
    ema: dict[str, Tree]
    collections: Tree
    step: Int[Array, ""]


def init_state(trainable: Trainable, optimizer: Optimizer, key: Array, batch: Batch) -> State:
    """A fresh state at step 0.

    Args:
      trainable: what is trained.
      optimizer: one for all players; every parameter must match one of its rules.
      key: PRNG key.
      batch: any batch of the right shapes.
    """
    params, collections = trainable.init(key, batch)
    return State(
        params=params,
        opt={player: optimizer.init(tree, player) for player, tree in params.items()},
        ema=jax.tree.map(jnp.copy, params),
        collections=collections,
        step=jnp.zeros((), jnp.int32),
    )


def eval_variables(state: State) -> Tree:
    """What the predict functions take: the averaged "codec" parameters and the collections."""
    return {"params": state.ema["codec"], **state.collections}
