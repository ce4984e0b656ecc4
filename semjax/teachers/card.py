"""The card of a store: what it holds, where that comes from, and who looked at it; for people, in Markdown."""

import collections
import json
import pathlib
from collections.abc import Sequence

from semjax.store.overrides import Override, read_overrides
from semjax.store.record import Status
from semjax.teachers.census import BINS, Census
from semjax.teachers.validate import Validation

CARD, OVERRIDES = "CARD.md", "overrides.jsonl"
NOBODY = "No label here was looked at by a person."


def write_card(validation: Validation) -> pathlib.Path:
    """Writes `CARD.md` into the store's folder; corrections are taken from `overrides.jsonl` there."""
    folder = validation.store.folder
    corrections = folder / OVERRIDES
    looked_at = read_overrides(corrections) if corrections.is_file() else []
    path = folder / CARD
    path.write_text(card(validation, looked_at), encoding="utf-8")
    return path


def card(validation: Validation, looked_at: Sequence[Override] = ()) -> str:
    """The text of the card.

    Args:
      validation: of the store.
      looked_at: labels that people state to have looked at.
    """
    about, census = validation.store.about, validation.census
    album, teacher = about.fingerprint.get("album", {}), about.fingerprint.get("teacher", {})
    parts = [
        f"# {teacher.get('kind', 'teacher')} on {album.get('dataset', '?')}/{album.get('split', '?')}",
        f"{about.count} pictures in {about.shards} shards; fingerprint `{about.digest}`.",
        *_counts(census),
        "## Looked at by people",
        _verified(looked_at),
        "## Checks by program",
        _table(
            ("check", "found"), [(c.name, f"{len(c.wrong)} wrong" if c.wrong else "fine") for c in validation.checks]
        ),
        "## Fingerprint",
        f"```json\n{json.dumps(about.fingerprint, indent=1, sort_keys=True, ensure_ascii=False)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _counts(census: Census) -> list[str]:
    held = [
        ("pictures", census.pictures),
        ("pictures with an error", census.errors),
        ("regions", census.regions),
        ("questions with answers", census.questions),
        ("captions", census.captions),
        ("pictures with features", census.features),
    ]
    parts = [_table(("what", "count"), held)]
    if not census.histograms:
        return parts
    header = ("scenario", *(f"{i / BINS:.1f}" for i in range(BINS)))
    rows = [(name, *(int(count) for count in counts)) for name, counts in census.histograms.items()]
    return [
        *parts,
        "## Labels by status",
        _table(("status", "labels"), [(status.name.lower(), int(census.statuses[status])) for status in Status]),
        "FAILED and MISSING labels have weight 0; they never mean importance 0.",
        "## Importance by scenario",
        "Labels in each tenth of [0, 1], by its lower end.",
        _table(header, rows),
    ]


def _verified(looked_at: Sequence[Override]) -> str:
    if not looked_at:
        return NOBODY
    labels = collections.Counter(line.verified_by for line in looked_at)
    pictures = {name: len({line.id for line in looked_at if line.verified_by == name}) for name in labels}
    rows = [(name, count, pictures[name]) for name, count in sorted(labels.items())]
    told = f"As `{OVERRIDES}` states it; nothing else is known of who looked at what. All other labels: nobody did."
    return told + "\n\n" + _table(("name", "labels", "pictures"), rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
