"""Channels, and `CHANNELS`: every channel by name, for configs and command lines.

CHANNELS["rayleigh"](equaliser="zero_forcing", csi="pilots", pilots=4)
"""

from collections.abc import Callable, Mapping
from typing import Any

from semjax.channels import compat
from semjax.channels.awgn import AWGN
from semjax.channels.csi import Knowledge, PerfectCSI, PilotCSI
from semjax.channels.equalise import MMSE, Equaliser, NoEqualiser, ZeroForcing
from semjax.channels.fading import Fading
from semjax.channels.gains import Block, Coherence, Fast, Gains, Rayleigh, Rician
from semjax.contracts import Channel

EQUALISERS: dict[str, Equaliser] = {"mmse": MMSE(), "none": NoEqualiser(), "zero_forcing": ZeroForcing()}


def _choose(option: str, value: str, table: Mapping[str, Any]) -> Any:
    if value not in table:
        raise ValueError(f"channel option {option}={value!r} is unknown; allowed: {', '.join(table)}")
    return table[value]


def _knowledge(csi: str, pilots: int | None) -> Knowledge:
    kind = _choose("csi", csi, {"perfect": "perfect", "pilots": "pilots"})
    if kind == "perfect" and pilots is not None:
        raise ValueError(f"channel option pilots={pilots} needs csi='pilots', but csi={csi!r}")
    if kind == "perfect":
        return PerfectCSI()
    if pilots is None:
        raise ValueError("channel option csi='pilots' needs the number of pilot uses per picture, e.g. pilots=4")
    return PilotCSI(pilots=pilots)


def _fading(gains: Gains, coherence: Coherence, **options: Any) -> Fading:
    return Fading(
        gains=gains,
        coherence=coherence,
        csi=_knowledge(options["csi"], options["pilots"]),
        equaliser=_choose("equaliser", options["equaliser"], EQUALISERS),
    )


def rayleigh(*, equaliser: str = "mmse", csi: str = "perfect", pilots: int | None = None) -> Channel:
    """Rayleigh fading, one gain per picture."""
    return _fading(Rayleigh(), Block(), equaliser=equaliser, csi=csi, pilots=pilots)


def rayleigh_fast(*, equaliser: str = "mmse", csi: str = "perfect", pilots: int | None = None) -> Channel:
    """Rayleigh fading, one gain per symbol."""
    return _fading(Rayleigh(), Fast(), equaliser=equaliser, csi=csi, pilots=pilots)


def rician(
    *, k_factor_db: float | int = 6.0, equaliser: str = "mmse", csi: str = "perfect", pilots: int | None = None
) -> Channel:
    """Rician fading, one gain per picture."""
    return _fading(Rician(k_factor_db=k_factor_db), Block(), equaliser=equaliser, csi=csi, pilots=pilots)


def rician_fast(
    *, k_factor_db: float | int = 6.0, equaliser: str = "mmse", csi: str = "perfect", pilots: int | None = None
) -> Channel:
    """Rician fading, one gain per symbol."""
    return _fading(Rician(k_factor_db=k_factor_db), Fast(), equaliser=equaliser, csi=csi, pilots=pilots)


def magnitude_fading(*, csi: str = "perfect") -> Channel:
    """Compatibility: block fading by |h|, without phase; `csi` is "perfect" or "none" (nothing is told)."""
    handed_over = _choose("csi", csi, {"perfect": NoEqualiser(), "none": compat.Blind()})
    return Fading(gains=compat.RayleighMagnitude(), equaliser=handed_over)


CHANNELS: dict[str, Callable[..., Channel]] = {
    "awgn": AWGN,
    "rayleigh": rayleigh,
    "rayleigh_fast": rayleigh_fast,
    "rician": rician,
    "rician_fast": rician_fast,
    "compat_real_noise_3db": compat.RealNoise3dB,
    "compat_batch_power": compat.BatchPower,
    "compat_magnitude_fading": magnitude_fading,
}
