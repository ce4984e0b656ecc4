"""A folder of compiled programs that outlives the process, so that a restarted run begins at once.

An entry that cannot be read is compiled anew, with one warning: a damaged cache costs time, never a run.
"""

import contextlib
import pathlib
from collections.abc import Iterator

import jax
from jax.experimental.compilation_cache import compilation_cache


@contextlib.contextmanager
def compile_cache(folder: str | None) -> Iterator[None]:
    """Keeps compiled programs in `folder` (None: nothing changes) while the block runs."""
    if not folder:
        yield
        return
    settings = {
        "jax_compilation_cache_dir": str(pathlib.Path(folder).absolute()),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        "jax_raise_persistent_cache_errors": False,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    compilation_cache.reset_cache()  # the folder is read once per process otherwise
    for name, value in settings.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
