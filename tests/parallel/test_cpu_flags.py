"""The CPU flag is probed apart, used only where it is faster, and asked for once; freed memory is kept."""

import pathlib
import subprocess
import sys

import pytest

from semjax.parallel import cpu_flags

UNKNOWN = "--xla_there_is_no_such_flag=1"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def times(monkeypatch: pytest.MonkeyPatch, *, with_flag: float, without: float) -> list[str]:
    asked: list[str] = []

    def seconds(flag: str) -> float:
        asked.append(flag)
        return with_flag if flag else without

    monkeypatch.setattr(cpu_flags, "probe_seconds", seconds)
    return asked


def test_a_flag_that_kills_the_process_is_infinitely_slow() -> None:
    assert cpu_flags.probe_seconds(UNKNOWN) == float("inf")


def test_the_probe_runs_without_a_flag() -> None:
    assert 0.0 < cpu_flags.probe_seconds("") < 10.0


@pytest.mark.parametrize(("with_flag", "expected"), [(0.5, cpu_flags.FLAG), (0.95, ""), (1.5, ""), (float("inf"), "")])
def test_only_a_faster_flag_is_used(monkeypatch: pytest.MonkeyPatch, with_flag: float, expected: str) -> None:
    times(monkeypatch, with_flag=with_flag, without=1.0)
    assert cpu_flags.fast_cpu_flags() == expected


def test_nothing_works_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    times(monkeypatch, with_flag=float("inf"), without=float("inf"))
    assert cpu_flags.fast_cpu_flags() == ""


def test_the_answer_is_kept_until_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = times(monkeypatch, with_flag=0.5, without=1.0)
    assert cpu_flags.fast_cpu_flags() == cpu_flags.fast_cpu_flags() == cpu_flags.FLAG
    assert len(asked) == 2
    cpu_flags.cache_file().write_text("half a li", encoding="utf-8")
    assert cpu_flags.fast_cpu_flags() == cpu_flags.FLAG
    assert len(asked) == 4


def test_importing_it_does_not_start_jax() -> None:
    code = "import sys; from semjax.parallel import cpu_flags; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_is_kept_where_glibc_is() -> None:
    code = "from semjax.parallel import cpu_flags; print(cpu_flags.keep_freed_memory())"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == str(sys.platform == "linux")
