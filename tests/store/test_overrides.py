"""Files of corrections: read, written, and refused with line numbers."""

import json
import pathlib

import pytest

from semjax.store.overrides import OverridesError, read_overrides, write_overrides

LINE = {"id": 1, "image_sha": "ab", "scenario": "watch", "region": 0, "importance": 0.5, "verified_by": "A. Reader"}


def test_written_lines_read_back_in_order_of_place(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "corrections.jsonl"
    path.write_text("".join(json.dumps({**LINE, "id": i, "importance": i / 4}) + "\n\n" for i in (3, 0, 2)))
    lines = read_overrides(path)
    assert [line.id for line in lines] == [3, 0, 2]
    write_overrides(path, lines)
    assert [(line.id, line.importance) for line in read_overrides(path)] == [(0, 0), (2, 0.5), (3, 0.75)]
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_named_reviewer_stands_in_where_a_line_names_nobody(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "corrections.jsonl"
    unsigned = {k: v for k, v in LINE.items() if k != "verified_by"}
    path.write_text(json.dumps(unsigned) + "\n" + json.dumps({**LINE, "region": 1}) + "\n")
    assert [line.verified_by for line in read_overrides(path, reviewer="B. Writer")] == ["B. Writer", "A. Reader"]
    with pytest.raises(OverridesError, match="line 1: verified_by is None"):
        read_overrides(path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: Expecting"),
        ("[]", "line 2: not an object"),
        (json.dumps({**LINE, "importance": 1.5}), "line 2: importance is 1.5, outside 0 to 1"),
        (json.dumps({**LINE, "importance": float("nan")}), "line 2: importance is nan"),
        (json.dumps({**LINE, "importance": True}), "line 2: importance is True"),
        (json.dumps({**LINE, "id": -1}), "line 2: id is -1"),
        (json.dumps({**LINE, "region": "2"}), "line 2: region is '2'"),
        (json.dumps({**LINE, "verified_by": "nul\0"}), "line 2: verified_by"),
        (json.dumps({**LINE, "verified_by": "x" * 101}), "line 2: verified_by"),
        (json.dumps({**LINE, "scenario": " "}), "line 2: scenario"),
    ],
)
def test_bad_lines_are_told_by_number(tmp_path: pathlib.Path, line: str, told: str) -> None:
    path = tmp_path / "corrections.jsonl"
    path.write_text(json.dumps(LINE) + "\n" + line + "\n")
    with pytest.raises(OverridesError, match=told):
        read_overrides(path)


def test_empty_and_missing_files_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    for name, told in (("empty.jsonl", "holds no correction"), ("none.jsonl", "cannot be read")):
        with pytest.raises(OverridesError, match=told):
            read_overrides(tmp_path / name)
