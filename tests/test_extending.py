"""The page docs/extending.md is a program that works from outside the package."""

import json
import pathlib
import re

import pytest

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "extending.md"


def test_the_page_runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    monkeypatch.setattr("sys.argv", ["mine.py", str(tmp_path / "run")])
    exec(compile(program, str(PAGE), "exec"), {"__name__": "mine"})
    assert "20 steps done" in capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"l1", "mse"} <= set(rows[-1])
    results = json.loads((tmp_path / "run" / "report" / "results.json").read_text())
    psnr = {(r["channel"], r["snr_db"]): r["mean"] for r in results if r["metric"] == "psnr"}
    assert psnr["carrier_phase", 15.0] > psnr["carrier_phase", 5.0]
    assert {r["system"] for r in results} == {"robust"}
