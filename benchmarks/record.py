"""The last result of each benchmark, kept in the repository as JSON, and the page that shows it."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.environments import REPOSITORY
from benchmarks.tables import write_between

FOLDER = REPOSITORY / "benchmarks" / "results"
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"

Result = dict[str, Any]


def keep(name: str, result: Result) -> None:
    """Replace the kept result of a benchmark; a name may have folders, as `training/ladder`."""
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def last(name: str) -> Result:
    """The kept result of a benchmark; exits when there is none yet."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"no result yet: {path}")
    result: Result = json.loads(path.read_text(encoding="utf-8"))
    return result


def write_docs(tables: dict[str, str], note: str) -> None:
    """Write the tables and the note into their places in the document."""
    for place, text in tables.items():
        write_between(DOCUMENT, place, text)
    first = next(iter(tables)).partition("-")[0]
    write_between(DOCUMENT, f"{first}-note", note)
