"""Writes the files of documents as they finish, each once, and again when it is read anew.

What was written is kept beside the files, so that a watch that is started again goes on where it
was, and two formats may go into one folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from storage.database import open_database, session_factory
from storage.schema import Document
from workers.commands.exits import Problem
from workers.export_forms import Options
from workers.exporting import Export
from workers.services import Services

INDEX = ".pagemill-exports.jsonl"
_AT_REST = ("done", "partial")
_OVERLAP = timedelta(minutes=5)
"""A document that finished so long before the last one seen may have been committed after it."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """A document that is at rest."""

    document_id: int
    at: datetime


class ExportWatch:
    """The finished documents of a database, as files of one form in one folder."""

    def __init__(
        self,
        services: Services,
        folder: Path,
        form: str,
        options: Options,
        tell: Callable[[str], None],
    ) -> None:
        self._services = services
        self._folder = folder
        self._form = form
        self._options = options
        self._tell = tell
        self._index = _Index(folder / INDEX, form)
        self._since: datetime | None = None
        self._engine = open_database(services.settings.database_url, readonly=True)
        self._sessions = session_factory(self._engine)

    def scan(self) -> list[Problem]:
        """Write what has finished since the last time; what was not there to write."""
        problems: list[Problem] = []
        for finished in self._finished():
            if self._index.time(finished.document_id) != finished.at.isoformat():
                problems += self._export(finished)
        return problems

    def __enter__(self) -> ExportWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def wait(self) -> None:
        """Wait until it is worth while to look again, or the services are to stop."""
        self._services.stop.wait(self._services.settings.scan_seconds)

    def _finished(self) -> Sequence[_Finished]:
        """Documents at rest, the first to finish first: all, then only those of late."""
        chosen = select(Document.id, Document.finished_at).where(
            Document.state.in_(_AT_REST), Document.finished_at.is_not(None)
        )
        if self._since is not None:
            chosen = chosen.where(Document.finished_at >= self._since - _OVERLAP)
        with self._sessions() as session:
            rows: Sequence[Any] = session.execute(chosen.order_by(Document.finished_at)).all()
        found = [_Finished(*row) for row in rows]
        if found:
            self._since = found[-1].at
        return found

    def _export(self, finished: _Finished) -> list[Problem]:
        with self._sessions() as session:
            job = Export(session, self._form, self._options, self._services, self._tell)
            job.used |= self._index.names()
            before = self._index.name(finished.document_id)
            name = job.write_into(self._folder, finished.document_id, before)
        self._index.put(finished.document_id, name, finished.at.isoformat())
        if name is not None:
            self._tell(str(self._folder / name))
        return job.problems


class _Index:
    """What was written of which document, and when it had finished: a line for each, the last wins.

    A line that a crash left unfinished is passed over: its document is written once more.
    """

    def __init__(self, path: Path, form: str) -> None:
        self._path = path
        self._form = form
        self._known: dict[tuple[str, int], tuple[str | None, str]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            with suppress(ValueError, TypeError):
                form_, document_id, name, finished_at = json.loads(line)
                self._known[form_, document_id] = (name, finished_at)

    def time(self, document_id: int) -> str | None:
        """When the document had finished that is in the folder."""
        return self._known.get((self._form, document_id), (None, None))[1]

    def name(self, document_id: int) -> str | None:
        """Its file."""
        return self._known.get((self._form, document_id), (None, None))[0]

    def names(self) -> set[str]:
        """All files."""
        return {name for name, _ in self._known.values() if name}

    def put(self, document_id: int, name: str | None, finished_at: str) -> None:
        """Note what was written; no name means that it could not be."""
        self._known[self._form, document_id] = (name, finished_at)
        line = json.dumps([self._form, document_id, name, finished_at], ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}" if file.tell() else line)
