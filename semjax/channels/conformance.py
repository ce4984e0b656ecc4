"""Is a channel what this package calls a channel? Is a transmitter?

    print(check(my_channel))            any object that can be called like `contracts.Channel`
    python -m semjax.channels check rayleigh --equaliser none

The channel is a black box (see `probe`). One that declares a `law` is held to it; one that does not is judged by what
can be measured: linear, unit average gain, a gain for every picture, noise of variance 10^(-snr_db/10) whatever h. An
equaliser changes the noise with h, so a channel that equalises has to declare its law.
"""

import jax

from semjax.channels.check_gain import gain_findings
from semjax.channels.check_noise import noise_findings
from semjax.channels.check_program import Compiler, program_findings
from semjax.channels.check_transmitter import check_transmitter
from semjax.channels.probe import gather
from semjax.channels.report import Finding, Report
from semjax.contracts import Channel

__all__ = ["Finding", "Report", "check", "check_transmitter"]


def check(channel: Channel, *, seed: int = 0, compiler: Compiler = jax.jit) -> Report:
    """Examines a channel.

    Args:
      channel: anything with the `Channel` protocol; optional attributes `law` (a `law.Law`) and `with_gain(h)` (the
        same channel at a fixed gain) let more be checked.
      seed: of the keys and signals used.
      compiler: how the checks of devices, batches and extremes run the channel; anything but `jax.jit` (the identity,
        say) checks less of what a program will do, and faster.

    Returns:
      The findings; `report.ok` says whether all of them hold, `str(report)` is a table.
    """
    seen = gather(channel, seed)
    findings = [
        *noise_findings(seen),
        *gain_findings(seen),
        *program_findings(channel, seen=seen, seed=seed, compiler=compiler),
    ]
    return Report(subject=repr(channel), findings=tuple(findings))
