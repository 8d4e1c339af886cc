"""The places in docs/training.md where an experiment's tables stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.tables import write_between

LAST = "<!-- /experiments -->"
"""Before it a new section is added."""


def write_tables(document: Path, title: str, tables: Mapping[str, str]) -> None:
    """Write each table into its place; places that are not there yet are made."""
    _make_places(document, title, list(tables))
    for place, text in tables.items():
        write_between(document, place, text)


def _make_places(document: Path, title: str, places: Sequence[str]) -> None:
    """A section of its own for an experiment that has none, at the end; else what it lacks.

    Raises ValueError if the document has no end of experiments.
    """
    text = document.read_text(encoding="utf-8")
    missing = [place for place in places if f"<!-- {place} -->" not in text]
    if not missing:
        return
    made = "".join(f"\n<!-- {place} -->\n<!-- /{place} -->\n" for place in missing)
    known = [place for place in places if place not in missing]
    mark = f"<!-- /{known[-1]} -->\n" if known else LAST
    if mark not in text:
        raise ValueError(f"{document} has no {mark.strip()}")
    put = f"{mark}{made}" if known else f"### {title}\n{made}\n{mark}"
    document.write_text(text.replace(mark, put, 1), encoding="utf-8")
