"""Documents of the database as files of one form, and what was not there to write."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.errors import IngestError
from storage.documents import latest_source
from storage.errors import ErrorInfo, StorageError
from storage.overview import DocumentStatus, document_status
from storage.pages import DocumentRef, PageRecord, stream_pages
from storage.schema import Source
from workers.commands.exits import Problem, WrongUsage
from workers.export_forms import FORMS, Form, Options, Writer
from workers.page_selection import PageSelection
from workers.searchable_pdf import SearchablePdf
from workers.services import Services
from workers.spooling import local_copy

_STEM_BYTES = 200
"""Of a file's name; with the rest it stays below the 255 bytes of most file systems."""


@dataclass(slots=True)
class Export:
    """Writes documents in one form and remembers what was not there to write."""

    session: Session
    name: str
    """Of the form."""
    options: Options
    services: Services
    tell: Callable[[str], None]
    """Says something to the person."""
    states: Counter[str] = field(default_factory=Counter)
    """Pages written, by state; those that are not done are written empty."""
    problems: list[Problem] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Names of files in the folder that documents are written into."""

    def write_one(self, document_id: int, output: Path | IO[bytes]) -> None:
        """Write a document to a file, or to something open; nothing if it could not be opened."""
        status = document_status(self.session, document_id)
        if not self._opened(status):
            return
        numbers = self._numbers(status)
        if self.form.a_page_a_file and status.page_count > 1 and (numbers is None or numbers[1:]):
            raise WrongUsage(
                f"{status.source} has {status.page_count} pages, and PAGE XML one page a file",
                "Name a folder with -o, or one page with --pages.",
            )
        self._write(output, self._pages(status))

    def write_into(self, folder: Path, document_id: int, name: str | None = None) -> str | None:
        """Write a document into a folder, called as its source was; returns the name.

        None if it could not be opened or its original refuses. `name` is one it had before.
        """
        status = document_status(self.session, document_id)
        if not self._opened(status):
            return None
        name = name or self._free_name(folder, status)
        try:
            if self.form.a_page_a_file:
                stem = name.removesuffix(f".{self.form.ending}")
                for page in self._pages(status):
                    path = folder / f"{stem}-{page.page_no:04}.{self.form.ending}"
                    self._write(path, [page])
            else:
                self._write(folder / name, self._pages(status))
        except (IngestError, StorageError) as error:
            self.problems.append(Problem.of(status.source, error))
            return None
        return name

    @property
    def form(self) -> Form:
        """The form documents are written in."""
        return FORMS[self.name]

    def _opened(self, status: DocumentStatus) -> bool:
        if status.state != "failed":
            return True
        code, message = status.error_code or "unknown", status.error_message or ""
        error = ErrorInfo(code, message, status.error_advice or "")
        self.problems.append(Problem(status.source, error))
        return False

    def _numbers(self, status: DocumentStatus) -> list[int] | None:
        """The pages that were chosen; None for all there are."""
        selection: PageSelection = self.services.settings.page_selection
        return selection.numbers(status.file_pages or 0) if selection.ranges else None

    def _pages(self, status: DocumentStatus) -> Iterator[PageRecord]:
        for page in stream_pages(self.session, status.document_id, self._numbers(status)):
            self.states[page.state] += 1
            if page.state != "done":
                self.problems.append(_missing(page))
            yield page

    def _free_name(self, folder: Path, status: DocumentStatus) -> str:
        """A name after the source that neither an export of ours nor a document has."""
        stem = Path(status.source).stem.encode()[:_STEM_BYTES].decode(errors="ignore")
        ending, name = self.form.ending, ""
        for distinction in ("", f"-{status.document_id}", f"-{status.document_id}-export"):
            name = f"{stem}{distinction}.{ending}"
            if name not in self.used and not self._is_a_document(folder / name):
                break
        self.used.add(name)
        return name

    def _write(self, output: Path | IO[bytes], pages: Iterable[PageRecord]) -> None:
        writer = self._writer()
        if isinstance(output, Path):
            if self._is_a_document(output):
                raise WrongUsage(
                    f"{output} is a document that was read, which is never overwritten",
                    "Name another file or folder with -o.",
                )
            write_whole(output, lambda file: writer(pages, file))
        else:
            writer(pages, output)

    def _writer(self) -> Writer:
        if self.form.writer is not None:
            return self.form.writer(self.options)
        return SearchablePdf(
            self.services, self._original, self._note, archival=self.options.archival
        )

    def _original(self, document: DocumentRef) -> Path:
        place = latest_source(self.session, [document.document_id])[document.document_id]
        return local_copy(self.services, place.sha256, place.uri)

    def _note(self, document: DocumentRef, what: str | IngestError, page_no: int | None) -> None:
        if isinstance(what, str):
            self.tell(f"{document.source}: {what}")
            return
        error = ErrorInfo(what.code, str(what), what.advice)
        self.problems.append(Problem(document.source, error, page_no))

    def _is_a_document(self, path: Path) -> bool:
        """Whether a file is where a document was found: an original, which is never overwritten."""
        uri = "file://" + quote(os.path.realpath(os.fsencode(path)))
        return self.session.scalar(select(Source.id).where(Source.uri == uri).limit(1)) is not None


def _missing(page: PageRecord) -> Problem:
    if page.error_code:
        error = ErrorInfo(page.error_code, page.error_message or "")
    else:
        error = ErrorInfo("not_read_yet", "The page is still waiting to be read.")
    return Problem(page.document.source, error, page.page_no)


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file whole or not at all; raises WrongUsage where none can be written."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            write(file)
        draft.replace(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
