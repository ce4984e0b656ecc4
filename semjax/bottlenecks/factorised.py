"""The factorised prior: one learned density per feature, of no given form.

A monotone network f from reals to reals, one for each feature, gives the cumulative c(z) = sigmoid(f(z)):

    f = f_K o ... o f_1,     f_k(x) = g_k(H_k x + b_k),     g_k(x) = x + a_k * tanh(x)  (k < K),    g_K(x) = x

with H_k = softplus(matrix_k) > 0 and a_k = tanh(gate_k) > -1, so that f rises and c goes from 0 to 1. A value costs

    bits(z) = -log2 P(z),     P(z) = c(z + 1/2) - c(z - 1/2),

where z is an integer or has uniform noise in (-1/2, 1/2). With u = f(z + 1/2) and l = f(z - 1/2),

    sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)),

whose logarithm is exact in both tails. P >= 1e-9 as in `semjax.bottlenecks.quantised`; below that the value stays and
the gradient is that of ln P, which is bounded, as the tails of c are exponential.

CHOICE: the small matrices are written out as sums of products along the features: ten times faster on a CPU than their
matrix products, and accelerators do not round them to half precision.
Source: J. Ballé et al., arXiv 1802.01436, appendix 6.1.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from semjax.bottlenecks.quantised import bits_of
from semjax.nn.conv import Initializer

_LEAST_STEP = 1e-30  # a network that has become flat in single precision still has a logarithm


def _centred(key: Array, shape: tuple[int, ...], dtype: type = jnp.float32) -> Array:
    return jax.random.uniform(key, shape, dtype, -0.5, 0.5)


class FactorisedPrior(nn.Module):
    """Bits of each value under its feature's density. Parameters `matrix_k` [out, in, d], `bias_k`, `gate_k` [out, d].

    Attributes:
      features: d, one density for each.
      widths: of the network's hidden layers.
      init_scale: the density starts about as wide as a logistic one of this scale.
    """

    features: int
    widths: tuple[int, ...] = (3, 3, 3)
    init_scale: float = 10.0

    def setup(self) -> None:
        """Makes the parameters."""
        sizes = (1, *self.widths, 1)
        layers = len(sizes) - 1
        slope = self.init_scale ** (-1 / layers)
        zeros = nn.initializers.zeros
        self.matrices = [
            self.param(f"matrix_{k}", _softplus_is(slope / sizes[k + 1]), (sizes[k + 1], sizes[k], self.features))
            for k in range(layers)
        ]
        self.biases = [self.param(f"bias_{k}", _centred, (sizes[k + 1], self.features)) for k in range(layers)]
        self.gates = [self.param(f"gate_{k}", zeros, (sizes[k + 1], self.features)) for k in range(layers - 1)]

    def __call__(self, z: Float[Array, "b h w d"]) -> Float[Array, "b h w d"]:
        """Bits of each value.

        Args:
          z: integers, or values with noise; d = `features`.

        Returns:
          -log2 P(z), 0 to 29.9.
        """
        return bits_of(self._log_p(z))

    def cumulative(self, z: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        """c(z), the probability of less than z, before noise or rounding.

        Args:
          z: reals; d = `features`.

        Returns:
          Probabilities.
        """
        return jax.nn.sigmoid(self._logits(z))

    def pmf(self, *, low: int, high: int) -> Float[Array, "d v"]:
        """Tables for a range coder: the probability of each integer from `low` to `high`, which take the tails.

        Args:
          low: the first integer; everything below is to be clipped to it.
          high: the last, larger than `low`; everything above is to be clipped to it.

        Returns:
          [d, high - low + 1]; rows sum to 1.

        Raises:
          ValueError: if `high` is not larger than `low`.
        """
        if high <= low:
            raise ValueError(f"FactorisedPrior.pmf: high={high} must be larger than low={low}")
        values = jnp.arange(low, high + 1, dtype=jnp.float32)[:, None] * jnp.ones(self.features, jnp.float32)
        inside = jnp.exp(self._log_p(values[1:-1]))
        first, last = self._logits(values[:1] + 0.5), self._logits(values[-1:] - 0.5)
        return jnp.concatenate([jax.nn.sigmoid(first), inside, jax.nn.sigmoid(-last)]).T

    def _log_p(self, z: Array) -> Array:
        # Not one call on both stacked: that makes XLA compute every layer anew for each of its readers.
        upper, lower = self._logits(z + 0.5), self._logits(z - 0.5)
        step = jnp.maximum(upper - lower, _LEAST_STEP)
        return jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower) + jnp.log(-jnp.expm1(-step))

    def _logits(self, z: Array) -> Array:
        """f(z), any shape with the features last."""
        rows = [z.astype(jnp.float32)]
        for k, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            h = jax.nn.softplus(matrix)
            rows = [sum(h[o, i] * x for i, x in enumerate(rows)) + bias[o] for o in range(h.shape[0])]
            if k < len(self.gates):
                opening = jnp.tanh(self.gates[k])
                rows = [x + opening[o] * jnp.tanh(x) for o, x in enumerate(rows)]
        return rows[0]


def _softplus_is(value: float) -> Initializer:
    return nn.initializers.constant(math.log(math.expm1(value)))
