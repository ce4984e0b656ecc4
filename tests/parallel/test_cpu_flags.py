"""One virtual device per core, as many as the batch allows; freed memory is kept; jax is not started."""

import subprocess
import sys

import pytest

from semjax.parallel import cpu_flags


@pytest.mark.parametrize(
    ("cores", "batch_size", "devices"), [(1, 64, 1), (2, 64, 2), (3, 64, 2), (4, 6, 2), (8, 7, 1), (96, 256, 8)]
)
def test_devices_fit_cores_and_batch(
    monkeypatch: pytest.MonkeyPatch, cores: int, batch_size: int, devices: int
) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(cpu_flags, "usable_cores", lambda: cores)
    expected = "" if devices == 1 else f"--xla_force_host_platform_device_count={devices}"
    assert cpu_flags.fast_cpu_flags(batch_size) == expected


def test_a_number_of_devices_already_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_flags, "usable_cores", lambda: 4)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    assert cpu_flags.fast_cpu_flags() == ""


def test_jax_takes_the_flag_and_is_not_started_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os, sys
from semjax.parallel import cpu_flags
cpu_flags.usable_cores = lambda: 2
os.environ["XLA_FLAGS"] = cpu_flags.fast_cpu_flags()
assert cpu_flags.keep_freed_memory() == (sys.platform == "linux")
assert "jax" not in sys.modules
import jax
print(jax.device_count("cpu"))
"""
    monkeypatch.delenv("XLA_FLAGS")
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "2"
