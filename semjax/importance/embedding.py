"""The scenario as a vector: from a table of known scenarios, or from its text.

    ScenarioTable   e = E[scenario]
    ScenarioText    u_0 = W[text],   u_{i+1} = u_i + V_i u_i · sigmoid(G_i u_i),   e = A norm(mean over words of u) + a

V_i and G_i are convolutions over `reach` neighbouring words, which tell "crates on grass" from "other crates" and know
nothing of absolute places: a wording that is newly made of known phrases gives nearly what those phrases gave. Padding
(number 0) takes no part: the length to which texts are padded changes nothing.

Ids that there are not cannot be refused inside `jit`: they give NaN. `check_scenarios` refuses them on the host.

Source: Y. Dauphin et al., "Language modeling with gated convolutional networks", arXiv 1612.08083, Eq. 1, with a
residual connection.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from semjax.importance.base import ImportanceError
from semjax.scenes.words import PAD
from semjax.types import Public


def check_scenarios(ids: Integer[np.ndarray, "*b"], count: int) -> None:
    """Refuses scenario ids that there are not; for the host, where a batch is made.

    Args:
      ids: of scenarios.
      count: how many scenarios there are.

    Raises:
      ImportanceError: an id below 0, or from `count` on.
    """
    values = np.asarray(ids)
    wrong = np.unique(values[(values < 0) | (values >= count)])
    if wrong.size:
        named = ", ".join(str(value) for value in wrong[:5].tolist()) + (", ..." if wrong.size > 5 else "")
        raise ImportanceError(f"unknown scenario {named}: there are {count}, numbered 0 to {count - 1}")


class ScenarioTable(nn.Module):
    """One learned vector per scenario.

    Attributes:
      scenarios: how many there are.
      width: of the vectors.
    """

    scenarios: int
    width: int = 64

    @nn.compact
    def __call__(self, public: Public) -> Float[Array, "b d"]:
        """The vector of each picture's scenario.

        Raises:
          ImportanceError: `public` names no scenarios.
        """
        if public.scenario is None:
            raise ImportanceError(
                "Public.scenario is None: a table of scenarios needs each picture's scenario id; take data with "
                "scenarios, or ScenarioText, which reads Public.text"
            )
        table = self.param("table", nn.initializers.normal(1.0), (self.scenarios, self.width), jnp.float32)
        return _rows(table, public.scenario)


class ScenarioText(nn.Module):
    """A vector from the scenario's words; see the module's docstring.

    Attributes:
      vocabulary: how many numbers words have, padding (0) included.
      width: of the vectors.
      layers: of gated convolutions.
      reach: words that each of them sees; odd.
    """

    vocabulary: int
    width: int = 64
    layers: int = 1
    reach: int = 5

    @nn.compact
    def __call__(self, public: Public) -> Float[Array, "b d"]:
        """The vector of each picture's text.

        Raises:
          ImportanceError: `public` holds no text.
        """
        if public.text is None:
            raise ImportanceError(
                "Public.text is None: this scenario is read from words; hand over their numbers "
                "(semjax.scenes.words.tokens), or take ScenarioTable, which reads Public.scenario"
            )
        word = (public.text != PAD)[..., None]
        table = self.param("words", nn.initializers.normal(1.0), (self.vocabulary, self.width), jnp.float32)
        u = jnp.where(word, _rows(table, public.text), 0.0)
        for i in range(self.layers):
            value, gate = jnp.split(nn.Conv(2 * self.width, (self.reach,), name=f"mix_{i}")(u), 2, axis=-1)
            u = jnp.where(word, u + value * nn.sigmoid(gate), 0.0)
        mean = jnp.sum(u, axis=1) / jnp.maximum(jnp.sum(word, axis=1), 1)
        return nn.Dense(self.width, name="out")(nn.LayerNorm(name="norm")(mean))


def _rows(table: Array, index: Array) -> Array:
    """Rows of a table; NaN for a row that there is not."""
    return jnp.take(table, jnp.where(index < 0, table.shape[0], index), axis=0, mode="fill", fill_value=jnp.nan)
