"""What ledger and storage cost: a finished job's pages, taken in, claimed and stored once more.

No page is opened and none is read, so that all the time is storage's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ocr_core.page import TextLine
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document
from storage.ledger import claim, finish
from storage.results import SavedPage, line_of
from storage.schema import Document, Line, Page


@dataclass(frozen=True, slots=True)
class PageNumber:
    """All that the ledger wants to know of a page."""

    page_no: int


def storage_seconds(finished: Path, empty: Path) -> float:
    """CPU seconds of storing every page of the database `finished` again in the new `empty`."""
    jobs = _finished_pages(finished)
    engine = open_database(f"sqlite:///{empty}")
    migrate(engine)
    sessions = session_factory(engine)
    started = time.process_time()
    for sha256, pages in jobs.items():
        with sessions.begin() as session:
            _take_in(session, sha256, sorted(pages))
    _store(sessions, jobs)
    seconds = time.process_time() - started
    engine.dispose()
    return seconds


def _finished_pages(database: Path) -> dict[str, dict[int, SavedPage]]:
    """The pages of a job by the hash of their document and their number."""
    engine = open_database(f"sqlite:///{database}", readonly=True)
    found: dict[str, dict[int, SavedPage]] = {}
    with Session(engine) as session:
        done = select(Document, Page).join(Page, Page.document_id == Document.id)
        for document, page in session.execute(done.where(Page.state == "done")):
            lines = select(Line).where(Line.page_id == page.id).order_by(Line.line_no)
            read = tuple(line_of(line) for line in session.scalars(lines))
            found.setdefault(str(document.sha256), {})[page.page_no] = _saved(page, read)
    engine.dispose()
    return found


def _saved(page: Any, lines: tuple[TextLine, ...]) -> SavedPage:
    """The page as it was stored; the columns of one that is done are never NULL."""
    return SavedPage(
        width=page.width,
        height=page.height,
        dpi=page.dpi,
        text_source=page.text_source,
        lines=lines,
        rotation=page.rotation,
        verdict=page.verdict,
        seconds=page.seconds,
        stage_seconds=page.stage_seconds or {},
        image_sha256=page.image_sha256,
    )


def _take_in(session: Session, sha256: str, numbers: list[int]) -> None:
    add_document(
        session,
        sha256=sha256,
        size=1,
        media_type="application/pdf",
        source=SourceRef(uri=f"file:///{sha256}", key=sha256, version="1"),
        pages=[PageNumber(number) for number in numbers],
        file_pages=numbers[-1],
    )


def _store(sessions: sessionmaker[Session], jobs: dict[str, dict[int, SavedPage]]) -> None:
    """Claim page after page, as a worker does, and finish each in a transaction of its own."""
    while True:
        with sessions.begin() as session:
            leases = claim(session, worker="replay", limit=2)
        if not leases:
            return
        for lease in leases:
            with sessions.begin() as session:
                finish(session, lease, jobs[lease.sha256][lease.page_no])
