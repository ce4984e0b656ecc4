"""Experiments on a channel as a black box.

Sent with the same keys, silence exposes the noise and a known signal the gain, without believing what the channel says:

    noise  y(0)            gain  (y(s) - y(0)) / s            linearity  y(t) - y(0) == gain * t  for another signal t
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from semjax.channels.law import NO_FADING, Law
from semjax.contracts import Channel
from semjax.types import Symbols

AMPLITUDES = (0.5, 1.0, 2.0)
"""Amplitudes of the louder and quieter pictures: powers 0.25, 1 and 4 in one batch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe:
    """One experiment: arrays [b, k] on the host, `snr_db[b]`; `loud` is the reply to `loud_sent`.

    `gain` is measured, and NaN where nothing was sent; `csi` and `noise_var` are what the channel states.
    """

    snr_db: np.ndarray
    used: np.ndarray
    noise: np.ndarray
    gain: np.ndarray
    loud_sent: np.ndarray
    loud: np.ndarray
    noise_var: np.ndarray
    csi: np.ndarray
    uses: dict[str, np.ndarray]

    @property
    def nominal(self) -> np.ndarray:
        """The noise variance that `snr_db` stands for, [b, 1]."""
        return 10 ** (-self.snr_db[:, None] / 10)

    @property
    def received_power(self) -> np.ndarray:
        """|h|^2 whatever the equaliser: the received Es/N0 over the average one, [b, k]."""
        return np.abs(self.gain) ** 2 * self.nominal / np.maximum(self.noise_var, 1e-30)


def qpsk(key: jax.Array, shape: tuple[int, ...]) -> Symbols:
    """Draws symbols of magnitude 1."""
    return jnp.exp(1j * (jnp.pi / 2) * jax.random.randint(key, shape, 0, 4)).astype(jnp.complex64)


def experiment(channel: Channel, *, key: jax.Array, snr_db: np.ndarray, length: int, used_length: int) -> Probe:
    """Sends silence, a signal and a louder other signal over `channel` with the same keys.

    Args:
      channel: what is examined.
      key: seeds everything.
      snr_db: one SNR per picture.
      length: symbols per picture.
      used_length: how many of them are used.

    Returns:
      What was measured.
    """
    count = len(snr_db)
    keys = jax.random.split(key, count)
    used = jnp.broadcast_to(jnp.arange(length) < used_length, (count, length)).astype(jnp.float32)
    amplitude = jnp.resize(jnp.array(AMPLITUDES, jnp.float32), (count, 1))
    sent = qpsk(jax.random.fold_in(key, 1), (count, length)) * used
    loud_sent = amplitude * qpsk(jax.random.fold_in(key, 2), (count, length)) * used
    # Operation by operation: compiled whole, every channel would cost seconds before anything is measured.
    snr = jnp.asarray(snr_db, jnp.float32)
    silent, reply, loud = (jax.device_get(channel(keys, symbols, used, snr)) for symbols in (0 * sent, sent, loud_sent))
    host_used = np.asarray(used)
    difference = (reply.symbols - silent.symbols) * np.conj(np.asarray(sent))
    return Probe(
        snr_db=np.asarray(snr_db),
        used=host_used,
        noise=silent.symbols,
        gain=np.where(host_used > 0, difference, np.nan),
        loud_sent=np.asarray(loud_sent),
        loud=loud.symbols,
        noise_var=reply.noise_var,
        csi=np.ones_like(reply.symbols) if reply.csi is None else reply.csi,
        uses=reply.uses,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """All experiments on one channel: `wide` has few long pictures, `tall` many short ones at one SNR."""

    wide: Probe
    tall: Probe
    law: Law | None

    @property
    def bare(self) -> bool:
        """Whether the noise is seen as it was added, not through an equaliser."""
        return (
            self.law is None
            or self.law is NO_FADING
            or float(np.ptp(self.tall.noise_var)) < 1e-3 * float(np.mean(self.tall.noise_var))
        )


def gather(channel: Channel, seed: int) -> Evidence:
    """Runs the experiments."""
    key = jax.random.key(seed)
    law = getattr(channel, "law", None)
    return Evidence(
        wide=experiment(channel, key=key, snr_db=np.linspace(-5.0, 20.0, 8), length=1 << 16, used_length=1 << 15),
        tall=experiment(
            channel, key=jax.random.fold_in(key, 3), snr_db=np.full(1 << 14, 10.0), length=4, used_length=4
        ),
        law=law if isinstance(law, Law) else None,
    )
