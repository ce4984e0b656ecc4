"""The review page, the file it saves, and what merging makes of it."""

import html.parser
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from toy_album import ToyAlbum, ToyTeacher

from semjax.store.layout import StoreError
from semjax.store.overrides import OverridesError, read_overrides
from semjax.store.shards import Store
from semjax.teachers.base import Embedding, Importance, Scenario, Silent, View
from semjax.teachers.overrides import merge
from semjax.teachers.precompute import precompute
from semjax.teachers.review import review


def made(out: pathlib.Path, teacher: ToyTeacher | None = None) -> Store:
    return Store(precompute(ToyAlbum(), teacher or ToyTeacher(), out, shards=2, progress=lambda done: None).folder)


class Page(html.parser.HTMLParser):
    """All elements of a page and their attributes, and that they close."""

    VOID = ("input", "img", "meta", "rect", "br")

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def test_the_page_stands_alone_and_can_be_used_without_a_mouse(tmp_path: pathlib.Path) -> None:
    sample = review(made(tmp_path), ToyAlbum(), tmp_path / "look", count=4)
    text = sample.page.read_text()
    page = Page(text)
    assert not page.open
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "http://" not in text
    assert "https://" not in text
    assert "prefers-color-scheme: dark" in text
    assert len(page.all("img")) == len(sample.pictures) == 4
    assert all(img["alt"] for img in page.all("img"))
    numbers = [each for each in page.all("input") if each.get("type") == "number"]
    assert len(numbers) == 4 * 2 * 2  # pictures, regions, scenarios
    assert {each["aria-label"] for each in numbers} == {
        f"region {r}, {name}, {s}" for r, name in ((0, "field"), (1, "cow")) for s in ("watch", "clean")
    }
    ids = [attrs["id"] for _, attrs in page.found if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert ":focus-visible" in text


def test_the_sample_is_drawn_by_its_seed(tmp_path: pathlib.Path) -> None:
    store = made(tmp_path)
    first = review(store, ToyAlbum(), tmp_path / "a", count=4)
    page = first.page.read_bytes()
    assert review(store, ToyAlbum(), tmp_path / "a", count=4).page.read_bytes() == page
    assert review(store, ToyAlbum(), tmp_path / "b", count=4, seed=1).pictures != first.pictures
    assert review(store, ToyAlbum(), tmp_path / "c", count=99).pictures == tuple(range(12))
    lines = [json.loads(line) for line in first.lines.read_text().splitlines()]
    assert [line["index"] for line in lines] == list(first.pictures)
    record = store[first.pictures[2]]
    assert record.scenarios is not None
    np.testing.assert_allclose(lines[2]["regions"][1]["importance"], record.scenarios.importance[:, 1], atol=1e-6)


class Hostile(ToyAlbum):
    """Texts that try to leave their place in the page."""

    scenarios = (Scenario(name="</script><b>", text='"><img src=x>'), Scenario(name="a&b", text="七"))


def test_no_text_leaves_its_place(tmp_path: pathlib.Path) -> None:
    album = Hostile(scenarios=Hostile.scenarios)
    store = Store(precompute(album, ToyTeacher(), tmp_path, shards=1, progress=lambda done: None).folder)
    text = review(store, album, tmp_path / "look", count=2).page.read_text()
    assert not Page(text).open
    assert len(Page(text).all("b")) == 0
    assert len(Page(text).all("img")) == 2
    data = re.findall(r'<script type="application/json" id="told">(.*?)</script>', text, re.S)[0]
    assert json.loads(data)["scenarios"][0]["name"] == "</script><b>"


class Ninths(ToyTeacher):
    def judged(self, view: View, scenarios: int) -> Importance:
        levels = np.arange(scenarios * 3, dtype=np.float32).reshape(scenarios, 3) / 9
        return Importance(score=levels, std=levels * 0, status=np.zeros(levels.shape, np.uint8))


def test_levels_are_shown_where_all_values_are_levels(tmp_path: pathlib.Path) -> None:
    page = Page(review(made(tmp_path, Ninths()), ToyAlbum(), tmp_path / "look", count=2).page.read_text())
    numbers = [each for each in page.all("input") if each.get("type") == "number"]
    assert {each["max"] for each in numbers} == {"9"}
    assert [each["value"] for each in numbers[:4]] == ["0", "3", "1", "4"]


STAND_IN = """
const fs = require("fs"), text = fs.readFileSync(process.argv[2], "utf8");
const told = text.match(/id="told">(.*?)<\\/script>/s)[1], saved = [];
const inputs = [...text.matchAll(/<input type="number"[^>]*>/g)].map(([tag]) => {
  const get = name => (tag.match(new RegExp(" " + name + '="([^"]*)"')) || [])[1];
  return { id: get("id"), value: get("value"), defaultValue: get("value"), checkValidity: () => true, focus() {},
    dataset: { picture: get("data-picture"), row: get("data-row"), column: get("data-column") },
    parentElement: { classList: { toggle() {} } } };
});
const ticks = [...text.matchAll(/data-all id="([^"]*)"/g)].map(([, id]) => ({ id, checked: false }));
const byId = { told: { textContent: told }, name: {}, said: {} };
byId.bar = { addEventListener(_, f) { byId.submit = f; } };
ticks.forEach(tick => { byId[tick.id] = tick; });
global.document = { getElementById: id => byId[id], addEventListener() {}, createElement: () => ({ click() {} }),
  querySelectorAll: query => query === "td input" ? inputs : ticks };
global.localStorage = { getItem: () => null, setItem() {} };
global.Blob = class { constructor(parts) { saved.push(parts.join("")); } };
global.URL = { createObjectURL: () => "", revokeObjectURL() {} };
eval(text.match(/<script>(.*)<\\/script>/s)[1]);
byId.name.value = "A. Reader";
ticks[0].checked = true;
inputs[5].value = "0.25";
byId.submit({ preventDefault() {} });
process.stdout.write(saved.join(""));
process.exit(0);
"""


@pytest.mark.nightly
def test_what_the_page_saves_can_be_merged(tmp_path: pathlib.Path) -> None:
    node = shutil.which("node")
    assert node, "this test runs the page's script in node, which is not installed"
    store = made(tmp_path)
    sample = review(store, ToyAlbum(), tmp_path / "look", count=3)
    (tmp_path / "stand_in.js").write_text(STAND_IN)
    command = [node, str(tmp_path / "stand_in.js"), str(sample.page)]
    saved = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    (tmp_path / "saved.jsonl").write_text(saved)
    # The four labels of the ticked picture as they are stored, and the changed one of the next.
    lines = read_overrides(tmp_path / "saved.jsonl")
    assert [line.id for line in lines] == [1000 + sample.pictures[0]] * 4 + [1000 + sample.pictures[1]]
    assert lines[4].importance == 0.25
    merged = merge([tmp_path / "saved.jsonl"], store, reviewer="A. Reader")
    assert (merged.labels, merged.agreement.labels) == (5, 5)
    assert merged.agreement.equal == 0.8


def corrections(path: pathlib.Path, *lines: dict) -> pathlib.Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def told(index: int, importance: float, **change: object) -> dict:
    sha = ToyAlbum().view(index).sha
    line = {"id": 1000 + index, "image_sha": sha, "scenario": "watch", "region": 1, "importance": importance}
    return {**line, **change}


def test_agreement_is_that_of_known_labels(tmp_path: pathlib.Path) -> None:
    store = made(tmp_path)
    stored = [float(store[i].scenarios.importance[0, 1]) for i in range(4)]  # type: ignore[union-attr]
    # Exactly right, a tenth off, half a scale off, right: the order of the first two and the last is kept.
    given = [stored[0], stored[1] + (0.1 if stored[1] < 0.5 else -0.1), (stored[2] + 0.5) % 1, stored[3]]
    file = corrections(tmp_path / "a.jsonl", *(told(i, value) for i, value in enumerate(given)))
    found = merge([file], store, reviewer="A. Reader").agreement
    ranks = [np.argsort(np.argsort(values)) for values in (stored, given)]
    expected = np.corrcoef(*ranks)[0, 1]
    assert (found.labels, found.equal, found.one_level) == (4, 0.5, 0.75)
    assert found.same_side == np.mean([(a >= 0.5) == (b >= 0.5) for a, b in zip(stored, given, strict=True)])
    assert found.spearman == pytest.approx(expected)
    assert "4 reviewed labels" in str(found)


def test_later_files_win_and_earlier_merges_stay(tmp_path: pathlib.Path) -> None:
    store = made(tmp_path)
    first = corrections(tmp_path / "a.jsonl", told(1, 0.25), told(2, 0.25, verified_by="C. Third"))
    second = corrections(tmp_path / "b.jsonl", told(1, 0.75))
    assert merge([first, second], store, reviewer="A. Reader").labels == 2
    out = merge([corrections(tmp_path / "c.jsonl", told(3, 0.5))], store, reviewer="B. Writer")
    lines = {line.id: (line.importance, line.verified_by) for line in read_overrides(out.path)}
    assert lines == {1001: (0.75, "A. Reader"), 1002: (0.25, "C. Third"), 1003: (0.5, "B. Writer")}
    assert out.agreement.spearman is None  # of a single label


@pytest.mark.parametrize(
    ("line", "reviewer", "message"),
    [
        (told(1, 0.5), " ", "--reviewer is empty"),
        (told(1, 0.5, id=7), "A. Reader", "has no picture with id 7"),
        (told(1, 0.5, image_sha="ab"), "A. Reader", "of another picture"),
        (told(1, 0.5, scenario="sweep"), "A. Reader", "no such scenario"),
        (told(1, 0.5, region=3), "A. Reader", "regions 0 to 2"),
    ],
)
def test_corrections_of_something_else_change_nothing(
    tmp_path: pathlib.Path, line, reviewer: str, message: str
) -> None:
    store = made(tmp_path)
    with pytest.raises(OverridesError, match=message):
        merge([corrections(tmp_path / "a.jsonl", line)], store, reviewer=reviewer)
    assert not (store.folder / "overrides.jsonl").exists()


class Embeds(Silent):
    fingerprint = {"kind": "embeds"}  # noqa: RUF012

    def embed_image(self, views, *, dense: bool = False) -> list[Embedding]:
        return [Embedding(pooled=np.ones(3, np.float32)) for _ in views]


def test_stores_that_cannot_be_reviewed(tmp_path: pathlib.Path) -> None:
    store = made(tmp_path)
    with pytest.raises(StoreError, match="they are not of the same pictures"):
        review(store, ToyAlbum(salt="other"), tmp_path / "look")
    with pytest.raises(StoreError, match="is of 12 pictures, the album has 5"):
        review(store, ToyAlbum(count=5), tmp_path / "look")
    silent = Store(precompute(ToyAlbum(), Embeds(), tmp_path, shards=1, progress=lambda done: None).folder)
    with pytest.raises(StoreError, match="no importance labels"):
        review(silent, ToyAlbum(), tmp_path / "look")
