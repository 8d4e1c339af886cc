"""What a person asks about the ledger: how far it is, what went wrong, what can be tried again.

All of it reads the views that users have too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Integer, MetaData, Select, Table, Text, func, select
from sqlalchemy.orm import Session

from storage.among import among
from storage.schema import DOCUMENT_STATES, PAGE_STATES, Attempt, Document, Page, Source
from storage.times import UtcTime

_VIEWS = MetaData()
_DOCUMENTS = Table(
    "v_documents",
    _VIEWS,
    *(Column(name, Integer) for name in ("document_id", "page_count", "pages_done")),
    *(Column(name, Integer) for name in ("pages_quarantined", "size", "file_pages")),
    *(Column(name, Text) for name in ("sha256", "source", "media_type", "state")),
    *(Column(name, Text) for name in ("error_code", "error_message", "error_advice")),
    *(Column(name, UtcTime) for name in ("taken_in_at", "finished_at")),
)
_ERRORS = Table(
    "v_errors",
    _VIEWS,
    *(Column(name, Integer) for name in ("document_id", "page_no", "attempts")),
    *(Column(name, Text) for name in ("source", "state", "error_code")),
    *(Column(name, Text) for name in ("error_message", "error_advice")),
    Column("error_retryable", Boolean),
    Column("finished_at", UtcTime),
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many documents and pages are in which state; every state is a key."""

    documents: dict[str, int]
    pages: dict[str, int]


@dataclass(frozen=True, slots=True)
class DocumentStatus:
    """How far a document is."""

    document_id: int
    sha256: str | None
    source: str
    """Where it was last seen."""
    media_type: str | None
    page_count: int
    """Pages chosen to be read."""
    pages_done: int
    pages_quarantined: int
    state: str
    error_code: str | None
    error_message: str | None
    error_advice: str | None
    taken_in_at: datetime
    finished_at: datetime | None
    size: int | None
    file_pages: int | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A document that could not be opened (`page_no` None) or a page that was given up."""

    document_id: int
    page_no: int | None
    source: str
    state: str
    error_code: str | None
    error_message: str | None
    error_advice: str | None
    error_retryable: bool
    attempts: int | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PageAttempt:
    """One try at a page."""

    token: int
    worker: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    error_code: str | None
    error_message: str | None


def counts(session: Session, document_ids: Collection[int] | None = None) -> Counts:
    """Count documents and pages by state, of some documents or of all."""
    documents = select(Document.state, func.count()).group_by(Document.state)
    pages = select(Page.state, func.count()).group_by(Page.state)
    if document_ids is not None:
        documents = documents.where(among(Document.id, document_ids))
        pages = pages.where(among(Page.document_id, document_ids))
    return Counts(
        dict.fromkeys(DOCUMENT_STATES, 0) | _counted(session, documents),
        dict.fromkeys(PAGE_STATES, 0) | _counted(session, pages),
    )


def at_rest(session: Session, document_ids: Collection[int] | None = None) -> bool:
    """Whether none of the documents (of all, by default) is still being read."""
    reading = select(Document.id).where(Document.state == "reading").limit(1)
    if document_ids is not None:
        reading = reading.where(among(Document.id, document_ids))
    return session.scalar(reading) is None


def document_status(session: Session, document_id: int) -> DocumentStatus:
    """How far one document is; it must exist (`find_document` says so)."""
    chosen = _statuses().where(_DOCUMENTS.c.document_id == document_id)
    return DocumentStatus(*session.execute(chosen).one())


def document_statuses(
    session: Session,
    *,
    document_ids: Collection[int] | None = None,
    state: str | None = None,
    limit: int | None = None,
) -> Iterator[DocumentStatus]:
    """Yield how far documents are, the newest first."""
    chosen = _statuses().order_by(_DOCUMENTS.c.document_id.desc()).limit(limit)
    if document_ids is not None:
        chosen = chosen.where(among(_DOCUMENTS.c.document_id, document_ids))
    if state is not None:
        chosen = chosen.where(_DOCUMENTS.c.state == state)
    for row in session.execute(chosen):
        yield DocumentStatus(*row)


def problems(
    session: Session,
    *,
    document_ids: Collection[int] | None = None,
    pages_only: bool = False,
    limit: int | None = None,
) -> Iterator[Problem]:
    """Yield what a person should look at, by document and page."""
    chosen = _select(_ERRORS, Problem).order_by(_ERRORS.c.document_id, _ERRORS.c.page_no)
    if document_ids is not None:
        chosen = chosen.where(among(_ERRORS.c.document_id, document_ids))
    if pages_only:
        chosen = chosen.where(_ERRORS.c.page_no.is_not(None))
    for row in session.execute(chosen.limit(limit)):
        yield Problem(*row)


def attempts(session: Session, document_id: int, page_no: int) -> list[PageAttempt]:
    """Return every try at a page, oldest first."""
    rows = session.execute(
        select(
            *(Attempt.token, Attempt.worker, Attempt.started_at, Attempt.finished_at),
            *(Attempt.outcome, Attempt.error_code, Attempt.error_message),
        )
        .join(Page, Page.id == Attempt.page_id)
        .where(Page.document_id == document_id, Page.page_no == page_no)
        .order_by(Attempt.id)
    )
    return [PageAttempt(*row) for row in rows]


def failed_uris(session: Session, document_ids: Collection[int] | None = None) -> list[str]:
    """Return where the documents lie that could not be opened, for taking them in again."""
    chosen = select(Source.uri).join(Document).where(Document.state == "failed")
    if document_ids is not None:
        chosen = chosen.where(among(Document.id, document_ids))
    return list(session.scalars(chosen.order_by(Source.id)))


def _counted(session: Session, chosen: Select[str, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(chosen)}


def _statuses() -> Select[Any]:
    return _select(_DOCUMENTS, DocumentStatus)


def _select(view: Table, value: Any) -> Select[Any]:
    """Select the columns of a view in the order of a dataclass's fields."""
    return select(*(view.c[name] for name in value.__dataclass_fields__))
