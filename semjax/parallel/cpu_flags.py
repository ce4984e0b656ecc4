"""Settings of the process that make convolutional training faster on a CPU, each tried before it is used.

    flags = fast_cpu_flags()                       # "" where it does not help
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    keep_freed_memory()
    import jax

`fast_cpu_flags`: an empty list of operations for XLA's newer kernel library makes convolutional autoencoders 1.3 to 2.1
times faster on some machines and 1.1 to 1.3 times slower on others (jaxlib 0.10). The flag is experimental, and XLA
aborts the whole process on a flag it does not know. So it is tried in a process of its own, on the gradient of a
strided convolution whose value is checked, against a process without it; it is used if it saves a tenth of the time.
The answer is kept in the user's cache folder, one file per jaxlib version and machine; where that cannot be written the
probe runs again. Delete the file to ask again. Results with and without the flag differ by rounding.

`keep_freed_memory`: XLA allocates a step's temporary memory anew every step; glibc gives such large blocks back to the
system, which then maps and clears every page again: 15 to 25 % of the CPU time of steps of 80 MB and more.

Nothing here imports jax.
"""

import ctypes
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys

FLAG = "--xla_cpu_experimental_ynn_fusion_type="
GAIN = 0.9
"""The flag is used if the probe's time falls below this share."""
TIMEOUT_S = 120

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h

_PROBE = """
import time, jax, jax.numpy as jnp, numpy as np
rng = np.random.default_rng(0)
x, v, w = (rng.standard_normal(s).astype("float32") for s in ((64, 19, 19, 16), (5, 5, 16, 32), (5, 5, 32, 32)))
numbers = ("NHWC", "HWIO", "NHWC")
down = lambda v: jax.lax.conv_general_dilated(x, v, (2, 2), "VALID", dimension_numbers=numbers)
same = lambda y, w: jax.lax.conv_general_dilated(y, w, (1, 1), "SAME", dimension_numbers=numbers)
squares = np.stack([x[:, i : i + 15 : 2, j : j + 15 : 2] for i in range(5) for j in range(5)], 3)
truth = np.einsum("bhwtc,tcd->bhwd", squares, v.reshape(25, 16, 32))
assert np.allclose(jax.jit(down)(v), truth, atol=1e-3)
step = jax.jit(jax.grad(lambda v, w: jnp.sum(same(jnp.tanh(same(jnp.tanh(down(v)), w)), w) ** 2), (0, 1)))
spent = []
for _ in range(30):
    start = time.perf_counter()
    jax.block_until_ready(step(v, w))
    spent.append(time.perf_counter() - start)
print(min(spent))
"""


def cache_file() -> pathlib.Path:
    """Where the answer for this jaxlib and machine is kept."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    version = importlib.metadata.version("jaxlib")
    return pathlib.Path(root) / "semjax" / f"cpu_flag-{version}-{platform.machine()}-{platform.node()}.txt"


def probe_seconds(flag: str) -> float:
    """Least time of the probe's step under `flag`; infinite if the process dies, is wrong or takes too long."""
    env = {**os.environ, "XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _PROBE]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        return float(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return float("inf")


def fast_cpu_flags(flag: str = FLAG) -> str:
    """`flag` if this jaxlib accepts it and is faster with it, else "". For XLA_FLAGS, before jax starts its backend.

    Args:
      flag: the flag to probe.

    Returns:
      The flag, or the empty string. Takes some seconds the first time, none later.
    """
    file = cache_file()
    try:
        known, answer = file.read_text(encoding="utf-8").splitlines()
        if known == flag and answer in ("yes", "no"):
            return flag if answer == "yes" else ""
    except (OSError, ValueError):
        pass  # no answer yet, or a damaged one: ask again
    good = probe_seconds(flag) < GAIN * probe_seconds("")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.part")
        part.write_text(f"{flag}\n{'yes' if good else 'no'}\n", encoding="utf-8")
        os.replace(part, file)
    except OSError:
        pass  # a read-only home: the probe runs again next time
    return flag if good else ""


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
