"""A gain in every seed and in all together, as the tables of documents say it."""

import json
import pathlib

import pytest

from semjax.evaluators.hierarchical import POOLED
from semjax.evaluators.markdown import render


def row(seed: int, mean: float, low: float | None = None, **more: object) -> dict[str, object]:
    where = {"system": "sa", "variant": "student", "dataset": "scenes", "split": "test", "channel": "awgn"}
    where |= {"side_link": "ideal", "snr_db": 7.0, "told_snr_db": 7.0, "metric": "psnr_high_gain_over_static"}
    interval = {"mean": mean, "ci_low": mean - 0.1 if low is None else low, "ci_high": mean + 0.1}
    return {**where, **interval, "seed": seed, "cbr_total": 1 / 32, "n_images": 10, **more}


def place(*means: float, together: float, low: float, **more: object) -> list[dict[str, object]]:
    return [*(row(seed, mean, **more) for seed, mean in enumerate(means)), row(POOLED, together, low, **more)]


def said(rows: list[dict[str, object]], folder: pathlib.Path, spec: str = "check=signs") -> list[str]:
    (folder / "sa.json").write_text(json.dumps(rows))
    return render(f"sa.json {spec}", root=folder).splitlines()


def test_all_places_hold(tmp_path: pathlib.Path) -> None:
    rows = place(0.3, 0.2, 0.4, together=0.3, low=0.1) + place(0.5, 0.6, 0.5, together=0.5, low=0.4, snr_db=13.0)
    rows = [{**r, "told_snr_db": r["snr_db"]} for r in rows]
    expected = (
        "At all 2 places the gain is above 0 in each of 3 seeds and, with its whole 95 % interval, in all together."
    )
    assert said(rows, tmp_path)[0] == expected


@pytest.mark.parametrize(("means", "low"), [((0.3, -0.2, 0.4), 0.1), ((0.3, 0.2, 0.4), -0.01)])
def test_a_seed_or_the_interval_may_fail(tmp_path: pathlib.Path, means: tuple[float, ...], low: float) -> None:
    rows = place(*means, together=0.25, low=low) + place(0.5, 0.6, 0.5, together=0.5, low=0.4, channel="rayleigh")
    found = said(rows, tmp_path)
    assert found[0].startswith("At 1 of 2 places the gain is not above 0 in each of 3 seeds")
    each = ", ".join(f"{mean:.2f}" for mean in means)
    assert found[2] == f"- student, test, awgn, ideal, 7 dB: {each}; all 0.25 [{low:.2f}, 0.35]"


def test_one_seed_stands_for_itself(tmp_path: pathlib.Path) -> None:
    assert said([row(0, 0.5)], tmp_path)[0] == "At all 1 places the gain is above 0 in the one seed."
    assert said([row(0, 0.05)], tmp_path)[0].startswith("At 1 of 1 places the gain is not above 0")
    both = [row(0, 0.5), *place(0.5, 0.6, together=0.5, low=0.4, channel="rayleigh")]
    assert "each of 1 to 2 seeds" in said(both, tmp_path)[0]


def test_seeds_that_were_not_put_together_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="0 rows of all seeds together"):
        said([row(0, 0.5), row(1, 0.5)], tmp_path)
    with pytest.raises(ValueError, match="2 rows, several of one seed"):
        said([row(0, 0.5), row(0, 0.6)], tmp_path)


def test_rows_of_all_seeds_are_selected_and_shown_as_such(tmp_path: pathlib.Path) -> None:
    rows = place(0.3, 0.2, 0.4, together=0.3, low=0.1)
    chosen = said(rows, tmp_path, "rows=variant seed=all digits=1")
    assert chosen[2] == "| student | 0.3 |"
    assert chosen[-1].endswith("n_images 10; seed all; from sa.json.*")
    shown = said(rows, tmp_path, "rows=seed")
    assert shown[2:6] == ["| 0 | 0.30 |", "| 1 | 0.20 |", "| 2 | 0.40 |", "| all | 0.30 |"]
