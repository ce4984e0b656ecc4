"""The page docs/scenes.md is a program, and its table of rules says what the code does."""

import pathlib
import re

from semjax.scenes import scenarios

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "scenes.md"


def test_the_page_runs(capsys) -> None:
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    exec(compile(program, str(PAGE), "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.strip()


def test_the_rules_are_those_of_the_code() -> None:
    told = dict(re.findall(r"^\| (\w+) \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    own = dict(re.findall(r"^    (\w+) {2,}(\S.*)$", scenarios.__doc__ or "", re.MULTILINE))
    assert set(own) == set(scenarios.scenario_names())
    assert {name: told[name] for name in own} == own
