"""The page docs/teachers.md is a program: every method of a teacher, the store and the join, by example."""

import pathlib
import re

from semjax.teachers.base import ABILITIES

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "teachers.md"


def test_the_page_runs(tmp_path: pathlib.Path, capsys) -> None:
    text = PAGE.read_text()
    program = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert all(f".{name}(" in program for name in ABILITIES), "the page shows every method of the protocol"
    exec(compile(program, str(PAGE), "exec"), {"__name__": "page", "out": tmp_path})
    assert "->" in capsys.readouterr().out
