"""Test set-up: eight virtual CPU devices, run-time shape and type checks, and the folder of real data."""

import os
import pathlib

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

import jaxtyping
import pytest

CHECKED = [f"semjax.{floor}" for floor in ("channels", "phy", "losses", "metrics", "link", "codecs", "scenes")]
_hook = jaxtyping.install_import_hook(CHECKED, "beartype.beartype")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--update-golden rewrites golden files instead of comparing with them; review the diff."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


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
