"""Programs of one module of tests are dropped before the next: unrolled decoders take many memory mappings."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def _programs_are_dropped() -> Iterator[None]:
    yield
    jax.clear_caches()
