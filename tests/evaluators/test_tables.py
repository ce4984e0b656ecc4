"""Tables in Markdown: README.md and docs/ show what docs/results/ holds, and the mechanism that sees to it."""

import json
import pathlib

import pytest

from semjax.evaluators import __main__ as command
from semjax.evaluators import tables

ROOT = pathlib.Path(__file__).parents[2]
BODY = """\
| system | 1 dB | 10 dB |
| --- | ---: | ---: |
| linear | 23.25 | 29.06 |
| deepjscc | – | 30.50 |

*channel awgn; metric psnr; seed 0; from docs/results/kodak.json.*
"""


def row(system: str, snr_db: float, mean: float, **more: object) -> dict[str, object]:
    fixed = {"channel": "awgn", "metric": "psnr", "seed": 0, "ci_low": mean - 0.5, "ci_high": mean + 0.5}
    return {"system": system, "snr_db": snr_db, "mean": mean, **fixed, **more}


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "docs" / "results").mkdir(parents=True)
    rows = [row("linear", 10.0, 29.0625), row("linear", 1.0, 23.25), row("deepjscc", 10.0, 30.5)]
    rows += [row("linear", 1.0, 0.61, metric="ssim")]
    (tmp_path / "docs" / "results" / "kodak.json").write_text(json.dumps(rows))
    return tmp_path


def marked(spec: str, body: str = "old\n") -> str:
    return f"# Title\n\n<!-- table: docs/results/kodak.json {spec} -->\n{body}<!-- /table -->\n\nafter\n"


def test_the_tables_of_this_project_are_what_its_results_say() -> None:
    differ = [path.name for path in tables.refresh(ROOT)]
    assert not differ, f"{differ} differ from docs/results; run: python -m semjax.evaluators tables"


def test_check_finds_an_old_table_and_the_command_renews_it(
    root: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme, guide = root / "README.md", root / "docs" / "guide.md"
    readme.write_text(marked("metric=psnr"))
    guide.write_text("no table\n")
    assert command.main(["tables", "--check", "--root", str(root)]) == 1
    assert "README.md" in capsys.readouterr().out
    assert readme.read_text() == marked("metric=psnr")
    assert command.main(["tables", "--root", str(root)]) == 0
    assert readme.read_text() == marked("metric=psnr", BODY)
    assert guide.read_text() == "no table\n"
    assert command.main(["tables", "--check", "--root", str(root)]) == 0
    readme.write_text(readme.read_text().replace("30.50", "31.50"))
    assert command.main(["tables", "--check", "--root", str(root)]) == 1


def test_intervals_digits_and_other_fields(root: pathlib.Path) -> None:
    text = tables.render("docs/results/kodak.json metric=psnr snr_db=10 interval=95 digits=1", root=root)
    assert "| linear | 29.1 ± 0.5 |" in text
    text = tables.render("docs/results/kodak.json rows=metric,system cols=snr_db value=ci_low snr_db=1", root=root)
    assert "| metric | system | 1 dB |" in text
    assert "| ssim | linear | 0.11 |" in text


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", r"2 results for .* differ in \['mean', 'metric', 'ci_low', 'ci_high'\]"),
        ("metrics=psnr", r"no field \['metrics'\]"),
        ("metric=lpips", "no result matches"),
        ("metric=psnr rows=sistem", r"no field \['sistem'\]"),
        ("metric", "expected field=value"),
    ],
)
def test_a_marker_that_makes_no_table_is_named(
    root: pathlib.Path, spec: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "README.md").write_text(marked(spec))
    with pytest.raises(ValueError, match=message):
        tables.refresh(root)
    assert command.main(["tables", "--root", str(root)]) == 1
    assert "README.md" in capsys.readouterr().out


def test_a_missing_results_file_or_end_is_an_error(root: pathlib.Path) -> None:
    (root / "README.md").write_text("<!-- table: docs/results/none.json -->\n<!-- /table -->\n")
    with pytest.raises(ValueError, match=r"no results file docs/results/none\.json"):
        tables.refresh(root)
    (root / "README.md").write_text(marked("metric=psnr").replace("<!-- /table -->", ""))
    with pytest.raises(ValueError, match=r"1 table markers and 0 ends"):
        tables.refresh(root)


def test_a_marker_shown_as_code_is_left_alone(root: pathlib.Path) -> None:
    text = "```\n" + marked("metric=nothing") + "```\n\nand `<!-- table: x -->` in a line\n"
    assert tables.refreshed(text, root=root, where="README.md") == text
