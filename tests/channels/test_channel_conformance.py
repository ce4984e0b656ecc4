"""Every right channel conforms; every wrong one is caught, for its own reason."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from semjax.channels import CHANNELS, base
from semjax.channels.__main__ import main
from semjax.channels.awgn import AWGN
from semjax.channels.conformance import check
from semjax.channels.gains import Rayleigh
from semjax.types import ChannelOut


def uncompiled(function):
    return function


def test_conforms_when_compiled():
    report = check(AWGN())
    assert report.ok, str(report)


def test_same_bits_compiled_for_one_and_for_eight_devices():
    keys = jax.random.split(jax.random.key(4), 8)
    inputs = (keys, base.complex_normal(keys, (64,)), jnp.ones((8, 64)), jnp.linspace(-5.0, 20.0, 8))
    spread = jax.device_put(inputs, NamedSharding(Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data")))
    send = jax.jit(CHANNELS["rayleigh"]())
    one, eight = send(*inputs), send(*spread)
    assert len(eight.symbols.devices()) == 8
    jax.tree.map(np.testing.assert_array_equal, one, eight)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("awgn", {}),
        ("rayleigh", {"equaliser": "none"}),
        ("rayleigh", {"equaliser": "zero_forcing"}),
        ("rayleigh", {"csi": "pilots", "pilots": 2}),
        ("rayleigh_fast", {}),
        ("rayleigh_fast", {"equaliser": "none"}),
        ("rayleigh_fast", {"equaliser": "zero_forcing"}),
        ("rician", {"csi": "pilots", "pilots": 2, "equaliser": "zero_forcing"}),
        ("rician", {"csi": "pilots", "pilots": 2, "equaliser": "none"}),
        ("rician", {"k_factor_db": 10, "equaliser": "none"}),
        ("rician_fast", {}),
    ],
)
def test_conforms(name, options):
    report = check(CHANNELS[name](**options), compiler=uncompiled)
    assert report.ok, str(report)
    assert str(report).count("identical bits") == 3


def failed(channel):
    report = check(channel, compiler=uncompiled)
    assert not report.ok
    assert "NOT conformant" in str(report)
    return set(report.failed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UserChannel:
    """A right channel by a user who declares nothing; the wrong ones below change one thing."""

    def gain(self, keys):
        return base.complex_normal(base.slot(keys, base.GAIN), (1,))

    def noise_var(self, gain, snr_db):
        return base.noise_variance(snr_db)[:, None]

    def __call__(self, keys, symbols, used, snr_db):
        gain = self.gain(keys)
        noise_var = self.noise_var(gain, snr_db)
        return ChannelOut(
            symbols=base.add_noise(keys, gain * symbols, noise_var),
            noise_var=jnp.broadcast_to(noise_var, symbols.shape),
            csi=jnp.broadcast_to(gain, symbols.shape).astype(jnp.complex64),
            uses={"analog": used.sum(-1)},
        )


def test_a_users_own_channel_conforms_without_declaring_anything():
    report = check(UserChannel(), compiler=uncompiled)
    assert report.ok, str(report)


class NoisePerDimension(UserChannel):
    def noise_var(self, gain, snr_db):
        return 2 * base.noise_variance(snr_db)[:, None]


def test_noise_given_to_each_real_dimension_is_caught():
    assert failed(NoisePerDimension()) == {"noise variance", "average Es/N0"}


def test_noise_three_decibels_too_weak_is_caught():
    assert failed(CHANNELS["compat_real_noise_3db"]()) == {"noise variance"}


def test_power_over_the_batch_is_caught():
    assert failed(CHANNELS["compat_batch_power"]()) == {"never rescales", "same in any batch"}


class SharedFading(UserChannel):
    def gain(self, keys):
        return jnp.broadcast_to(super().gain(keys[:1]), (keys.shape[0], 1))


def test_fading_shared_over_the_batch_is_caught():
    assert {"gain is a picture's own", "same in any batch"} <= failed(SharedFading())


class NoiseAfterFading(UserChannel):
    def noise_var(self, gain, snr_db):
        return base.power(gain) * super().noise_var(gain, snr_db)


class DeclaredNoiseAfterFading(NoiseAfterFading):
    law = Rayleigh().law("block")


def test_fading_cancelled_by_measuring_noise_after_it_is_caught():
    assert {"noise variance", "gain is a picture's own"} <= failed(NoiseAfterFading())
    caught = {"law of |h|^2", "received Es/N0 spread", "gain is a picture's own"}
    assert caught <= failed(DeclaredNoiseAfterFading())


class MagnitudeFading(UserChannel):
    def gain(self, keys):
        return jnp.abs(super().gain(keys)).astype(jnp.complex64)


def test_magnitude_fading_without_phase_is_caught():
    assert failed(MagnitudeFading()) == {"gain has a phase"}
    assert failed(CHANNELS["compat_magnitude_fading"]()) == {"gain has a phase"}


class OneKey(UserChannel):
    def gain(self, keys):
        # Of four symbols per picture, the first one's noise is drawn with these very numbers.
        return base.complex_normal(base.slot(keys, base.NOISE), (4,))[:, :1]


def test_one_key_for_gain_and_noise_is_caught():
    assert failed(OneKey()) == {"gain and noise are independent"}


class SilentBeyondUsed(UserChannel):
    def __call__(self, keys, symbols, used, snr_db):
        out = super().__call__(keys, symbols, used, snr_db)
        return dataclasses.replace(out, symbols=out.symbols * used)


def test_silence_beyond_the_used_symbols_is_caught():
    assert "noise beyond used" in failed(SilentBeyondUsed())


class FreePilots(UserChannel):
    def __call__(self, keys, symbols, used, snr_db):
        return dataclasses.replace(super().__call__(keys, symbols, used, snr_db), csi=None, uses={})


def test_untold_gain_and_uncounted_uses_are_caught():
    assert {"csi is true", "uses are counted"} == failed(FreePilots())


class Unclipped(UserChannel):
    def noise_var(self, gain, snr_db):
        return 10 ** (-snr_db[:, None] / 10)


def test_infinite_noise_is_caught():
    assert failed(Unclipped()) == {"finite at extremes"}


class Unhashable(UserChannel):
    __hash__ = None  # type: ignore[assignment]


def test_unhashable_channel_is_caught():
    assert failed(Unhashable()) == {"hashable"}


class Declared(UserChannel):
    law = Rayleigh().law("fast")


def test_block_fading_declared_as_fast_is_caught():
    assert failed(Declared()) == {"coherence"}


def test_command_line(capsys, monkeypatch):
    monkeypatch.setattr(
        "semjax.channels.__main__.check", lambda channel, seed: check(channel, seed=seed, compiler=uncompiled)
    )
    assert main(["check", "rician", "--equaliser", "zero_forcing", "--k_factor_db=3", "--seed", "1"]) == 0
    assert "k_factor_db=3" in capsys.readouterr().out
    assert main(["check", "compat_real_noise_3db"]) == 1
    assert "FAIL  noise variance" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "rayleigh_fast" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["raleigh"], "nearest: rayleigh"),
        (["awgn", "--equaliser", "mmse"], "has no option 'equaliser'"),
        (["rayleigh", "--equaliser", "wiener"], "allowed: mmse"),
        (["rayleigh", "--equaliser"], "pairs"),
    ],
)
def test_command_line_refuses(arguments, words, capsys):
    assert main(["check", *arguments]) == 2
    assert words in capsys.readouterr().err
