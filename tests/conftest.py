"""Test set-up: eight virtual CPU devices, run-time shape and type checks, and the folder of real data."""

import os
import pathlib
from collections.abc import Iterator

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

import jax
import jaxtyping
import pytest

CHECKED = [f"semjax.{floor}" for floor in ("channels", "phy", "losses", "metrics", "link", "codecs", "scenes")]
LONG_FIRST = (
    "systems",
    "app",
    "tests",
    "link",
    "training",
    "configs",
    "evaluators",
    "teachers",
    "importance",
    "channels",
)
"""Folders that take long come first, so that both processes end together; the files of a folder stay together."""
IN_A_HURRY = (
    "app",
    "bottlenecks",
    "configs",
    "decoders",
    "encoders",
    "evaluators",
    "importance",
    "link",
    "nn",
    "systems",
    "training",
)
"""Folders whose programs take longer to optimise than to run. CHOICE: LLVM does not optimise them; XLA itself does."""
_hook = jaxtyping.install_import_hook(CHECKED, "beartype.beartype")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden rewrites golden files instead of comparing with them; review the diff."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests in the order of `LONG_FIRST`."""
    items.sort(key=lambda item: (*LONG_FIRST, item.path.parent.name).index(item.path.parent.name))


def _optimise(much: bool) -> None:
    """Sets how far programs are optimised, here and in processes that are started."""
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = str(int(not much))
    jax.config.update("jax_disable_most_optimizations", not much)


@pytest.fixture(scope="module", autouse=True)
def _quickly_compiled(request: pytest.FixtureRequest) -> None:
    """Sets it for the tests of a file."""
    _optimise(request.path.parent.name not in IN_A_HURRY)


@pytest.fixture
def full_speed(request: pytest.FixtureRequest) -> Iterator[None]:
    """For a test whose programs run long."""
    _optimise(True)
    yield
    _optimise(request.path.parent.name not in IN_A_HURRY)


@pytest.fixture(scope="session")
def data_dir() -> pathlib.Path:
    """The real data folder named by SEMJAX_DATA; a test that needs it is left out, and says so, where it is unset."""
    root = os.environ.get("SEMJAX_DATA")
    if not root:
        pytest.skip("SEMJAX_DATA is not set: tests on real pictures are left out")
    path = pathlib.Path(root)
    if not path.is_dir():
        pytest.fail(f"SEMJAX_DATA={root!r} is not a directory")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end how many tests were left out for want of real data."""
    left_out = [r for r in terminalreporter.stats.get("skipped", []) if "SEMJAX_DATA" in str(r.longrepr)]
    if left_out:
        terminalreporter.write_line(f"{len(left_out)} tests on real pictures left out: set SEMJAX_DATA to run them")
