"""Settings of the process that make training on a CPU faster; nothing here imports jax.

    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {fast_cpu_flags()}".strip()
    keep_freed_memory()
    import jax                                   # jax.devices() now lists one virtual device per core

`fast_cpu_flags`: within one program XLA runs small convolutions, reductions and much else on one thread. One virtual
device per core and the batch split over them, as over any mesh, keeps every core at work: the DeepJSCC step fell from
20 to 17 ms (batch 64) and from 80 to 57 ms (batch 256), a residual network's from 112 to 93 ms, on two idle cores
(jaxlib 0.10). Emptying `--xla_cpu_experimental_ynn_fusion_type`, which had helped before the convolutions of
`semjax.nn.conv` had their own gradients, now costs 15 to 30 % more CPU time for the same step time: not used.

`keep_freed_memory`: XLA allocates a step's temporary memory anew every step; glibc gives such large blocks back to the
system, which then maps and clears every page again: 15 to 25 % of the CPU time of steps of 80 MB and more.
"""

import ctypes
import os

FLAG = "--xla_force_host_platform_device_count"
MOST_DEVICES = 8
"""CHOICE: batch sizes are multiples of 8 far more often than of more."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fast_cpu_flags(batch_size: int = MOST_DEVICES) -> str:
    """The flag for XLA_FLAGS that makes one virtual CPU device per core; set it before jax starts its backend.

    Accelerators are not affected by it.

    Args:
      batch_size: global batch size; the number of devices divides it.

    Returns:
      The flag with the largest power of two of devices that the cores and the batch allow, at most `MOST_DEVICES`; ""
      where that is one device, or where XLA_FLAGS already says how many.
    """
    devices = MOST_DEVICES
    while devices > 1 and (devices > usable_cores() or batch_size % devices):
        devices //= 2
    if devices == 1 or FLAG in os.environ.get("XLA_FLAGS", ""):
        return ""
    return f"{FLAG}={devices}"


def keep_freed_memory() -> bool:
    """Makes glibc keep large freed blocks for the next allocation; the process then stays at its peak size.

    Returns:
      Whether the C library took the settings (False without glibc: nothing has changed).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, 2**31 - 1), mallopt(_M_ARENA_MAX, 1)]
    return taken == [1, 1, 1]
