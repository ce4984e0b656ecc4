"""The coded link in training: whole messages drop as often as they would, inside a jitted step.

Nothing is coded. For one channel and policy the share of lost messages and the uses are tabulated over SNR and length,

    arrives ~ Bernoulli(1 - BLER(snr_db, bits)),       uses = uses(snr_db, bits),

and read with bilinear interpolation (of log uses over log bits). Where the policy changes its scheme between two SNRs
of the table, this smooths the step.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from semjax.contracts import Channel
from semjax.link import bler
from semjax.link.frames import MOST_BITS, plan
from semjax.link.policy import DEFAULT, Policy
from semjax.types import Bits, Keys, PerImage, struct

STEP_DB = 0.5
SIZES_PER_OCTAVE = 2


@struct
class Surrogate:
    """Losses and uses of one channel and policy; made by `surrogate`.

    `snr_db[s]` in dB and `log_bits[n]` are ascending; `lost[s, n]` are shares of messages, `log_uses[s, n]` natural
    logarithms of complex channel uses. Beyond the ends of the table its ends hold.
    """

    snr_db: Float[Array, "s"]
    log_bits: Float[Array, "n"]
    lost: Float[Array, "s n"]
    log_uses: Float[Array, "s n"]

    def loss(self, length: Int[Array, "b"], snr_db: PerImage) -> PerImage:
        """The probability that a message of `length` bits is lost at average Es/N0 `snr_db` in dB; 0 for no bits."""
        return jnp.where(length > 0, self._read(self.lost, length, snr_db), 0.0)

    def uses(self, length: Int[Array, "b"] | PerImage, snr_db: PerImage) -> PerImage:
        """The channel uses that it takes; 0 for no bits."""
        return jnp.where(length > 0, jnp.exp(self._read(self.log_uses, length, snr_db)), 0.0)

    def arrives(self, keys: Keys, length: Int[Array, "b"], snr_db: PerImage) -> Bool[Array, "b"]:
        """Draws whether each message arrives.

        Args:
          keys: one per picture.
          length: bits of each message.
          snr_db: average Es/N0 per complex use in dB.
        """
        chance = jax.vmap(lambda key: jax.random.uniform(key))(keys)
        return chance >= self.loss(length, snr_db)

    def __call__(self, keys: Keys, bits: Bits, snr_db: PerImage) -> Bits:
        """Sends bits: the same strings, or zeros where a message is lost. See `semjax.contracts.BitChannel`."""
        kept = self.arrives(keys, bits.length, snr_db)
        return dataclasses.replace(bits, bits=bits.bits * kept[:, None].astype(bits.bits.dtype))

    def _read(self, table: Float[Array, "s n"], length: Array, snr_db: PerImage) -> PerImage:
        wanted = jnp.log(jnp.maximum(length, 1).astype(jnp.float32))
        row, down = _place(self.snr_db, snr_db)
        column, right = _place(self.log_bits, wanted)
        upper = table[row, column] * (1 - right) + table[row, column + 1] * right
        lower = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
        return upper * (1 - down) + lower * down


def _place(grid: Float[Array, "g"], value: Float[Array, "b"]) -> tuple[Int[Array, "b"], Float[Array, "b"]]:
    """The grid point before each value, and how far it is to the next, 0 to 1."""
    index = jnp.clip(jnp.searchsorted(grid, value, side="right") - 1, 0, grid.shape[0] - 2)
    return index, jnp.clip((value - grid[index]) / (grid[index + 1] - grid[index]), 0.0, 1.0)


def surrogate(
    channel: Channel,
    *,
    snr_db: tuple[float, float],
    bits: tuple[int, int],
    policy: Policy = DEFAULT,
) -> Surrogate:
    """Tabulates the coded link.

    Args:
      channel: the channel.
      snr_db: least and largest average Es/N0 in dB.
      bits: least and largest message, in bits.
      policy: chooses modulation and code rate.

    Raises:
      ValueError: empty ranges, or a channel that does not state the law of its gain.
    """
    if not (snr_db[0] < snr_db[1] and 1 <= bits[0] < bits[1] <= MOST_BITS):
        raise ValueError(
            f"surrogate: snr_db={snr_db}, bits={bits}; both are (least, largest), bits from 1 to {MOST_BITS}"
        )
    snrs = np.arange(snr_db[0], snr_db[1] + STEP_DB, STEP_DB)
    octaves = np.log2(bits[1] / bits[0])
    sizes = np.unique(np.rint(np.geomspace(*bits, int(np.ceil(octaves * SIZES_PER_OCTAVE)) + 2)).astype(int))
    lost, uses = np.zeros((snrs.size, sizes.size)), np.zeros((snrs.size, sizes.size))
    for i, snr in enumerate(snrs):
        for j, size in enumerate(sizes):
            scheme = policy.choose(channel, int(size), float(snr))
            lost[i, j] = bler.block_error(bler.measured(), channel, scheme, int(size), float(snr))
            uses[i, j] = plan(int(size), scheme).uses
    return Surrogate(
        snr_db=jnp.asarray(snrs, jnp.float32),
        log_bits=jnp.asarray(np.log(sizes), jnp.float32),
        lost=jnp.asarray(lost, jnp.float32),
        log_uses=jnp.asarray(np.log(uses), jnp.float32),
    )
