"""A document as a searchable PDF: its own bytes with the text laid over, or its scans in a PDF.

The original comes from the local copies, or once more from its bucket; what looks into it is a
sandbox child.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ingest.errors import IngestError, PageMissing, PageRefused
from ingest.export_session import ExportSession, PageText, export_session
from storage.exports import scan_pdf
from storage.pages import DocumentRef, PageRecord
from workers.services import Services

if TYPE_CHECKING:
    from ocr_core.page import TextLine

_OWN_TEXT = {"true", "partial", "taken", "blank"}
"""Verdicts on a text layer that stays as it is: only what was read besides it is laid over."""
SIGNED = (
    "The PDF is signed. The copy holds the signed bytes unchanged, and the text in a revision after"
    " them: programs will say that it was changed after signing."
)


class SearchablePdf:
    """Writes documents; `note` is told what a person should know of one, and of which page."""

    def __init__(
        self,
        services: Services,
        original: Callable[[DocumentRef], Path],
        note: Callable[[DocumentRef, str | IngestError, int | None], None],
        *,
        archival: bool = False,
    ) -> None:
        self._services = services
        self._original = original
        self._note = note
        self._archival = archival

    def __call__(self, pages: Iterable[PageRecord], file: IO[bytes]) -> None:
        """Write a document's file; raises IngestError if its original is gone or refuses."""
        pages = iter(pages)
        first = next(pages, None)
        if first is None:
            raise PageMissing("none of its pages was chosen")
        path = self._original(first.document)
        session = export_session(
            self._services.sandbox,
            path,
            first.document.file_pages or 1,
            passwords=self._services.settings.passwords,
            archival=self._archival,
        )
        with session as export:
            if export.kind == "pictures":
                picked = chain([first], pages)
                scan_pdf.write(picked, export.picture, file.write, archival=self._archival)
                return
            if export.signature == "signed":
                self._note(first.document, SIGNED, None)
            self._lay(chain([first], pages), export)
            self._write(path, export, file)

    def _lay(self, pages: Iterable[PageRecord], export: ExportSession) -> None:
        for page in pages:
            text = _text(page)
            if text is None:
                continue
            try:
                export.add(text)
            except PageRefused as refusal:
                self._note(page.document, refusal, page.page_no)

    def _write(self, path: Path, export: ExportSession, file: IO[bytes]) -> None:
        pieces: Iterator[bytes] = export.finish()
        if not export.anew:
            with path.open("rb") as original:
                shutil.copyfileobj(original, file)
        file.writelines(pieces)


def _text(page: PageRecord) -> PageText | None:
    """What to lay over a page; None if nothing, because it has its own text or was not read."""
    if page.state != "done" or not (page.width and page.height and page.dpi):
        return None
    replace = page.verdict not in _OWN_TEXT
    lines: tuple[TextLine, ...] = page.lines
    if not replace:
        lines = tuple(line for line in lines if line.source == "ocr")
    if not lines:
        return None
    return PageText(
        page_no=page.page_no,
        lines=lines,
        width=page.width,
        height=page.height,
        dpi=page.dpi,
        rotation=page.rotation or 0,
        replace=replace,
    )
