"""Documents: taking them in, finding them again, and their state, which follows from their pages.

    reading   some page waits or is being read
    done      every page is done
    partial   every page is at rest, at least one quarantined
    failed    the file could not be opened; it has no pages

So for every document at rest `page_count` = pages done + pages quarantined.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Protocol

from sqlalchemy import Delete, bindparam, case, delete, exists, func, literal, select, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from storage.among import among
from storage.buckets import readable
from storage.errors import DocumentAmbiguous, DocumentNotFound, ErrorInfo
from storage.locks import alone
from storage.results import storable
from storage.schema import LANES, Document, Page, Source, at, table_of
from storage.times import UtcTime, present

PAGES_A_TURN = 16
"""Pages of one document that are read before other documents of its lane have their turn."""
_SHA256_START = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where a document was found: the fields of a bucket's SourceObject."""

    uri: str
    key: str
    version: str


class HasPageNo(Protocol):
    """Anything that names a page of a file, such as ingest's PageFacts."""

    @property
    def page_no(self) -> int:
        """From 1."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A document that is already in the database."""

    document_id: int
    state: str
    page_count: int
    error_code: str | None


def add_document(
    session: Session,
    *,
    sha256: str,
    size: int,
    media_type: str,
    source: SourceRef,
    pages: Iterable[HasPageNo],
    file_pages: int,
    lane: str = "normal",
    queue: str = "cpu",
    now: datetime | None = None,
) -> int:
    """Take in a document that could be opened: its row, source and page rows; returns its id.

    If the content is known, the source is added, and rows for those of `pages` that have none yet:
    nothing is read twice. A document that had failed (no password then) becomes a good one.
    """
    wanted = sorted({page.page_no for page in pages})
    if not wanted or wanted[0] < 1 or wanted[-1] > file_pages:
        raise ValueError(f"pages must be some of 1 to {file_pages}, got {wanted[:5]}")
    moment = now or present(session)
    _alone(session, sha256, source)
    document = _locked(session, sha256) or _new_document(session, sha256, "reading", moment)
    there = set(session.scalars(select(Page.page_no).where(Page.document_id == document.id)))
    missing = [page_no for page_no in wanted if page_no not in there]
    document.size, document.media_type, document.file_pages = size, media_type, file_pages
    document.page_count = len(there) + len(missing)
    if missing:
        document.state, document.finished_at = "reading", None
        _set_error(document, None)
    session.flush()
    _add_source(session, document, source, moment)
    _add_pages(session, document.id, missing, len(there), LANES.index(lane), queue, moment)
    return document.id


def add_failed_document(
    session: Session,
    *,
    sha256: str | None,
    size: int | None,
    media_type: str | None,
    source: SourceRef,
    error: ErrorInfo,
    now: datetime | None = None,
) -> int:
    """Write down a file that could not be opened, so that nobody has to wonder; returns its id.

    `sha256` is None if not even its bytes could be read. If the content is already known as a good
    document, only the source is added.
    """
    moment = now or present(session)
    _alone(session, sha256, source)
    document = _locked(session, sha256) if sha256 else _unread(session, source.uri)
    document = document or _new_document(session, sha256, "failed", moment)
    if document.state == "failed":
        document.size, document.media_type = size, media_type
        document.finished_at = moment
        _set_error(document, error)
    session.flush()
    _add_source(session, document, source, moment)
    return document.id


def known_content(session: Session, sha256: str) -> Known | None:
    """Look up a content by its full SHA-256."""
    return _known(_by_sha256(session, sha256))


def known_source(session: Session, uri: str, version: str) -> Known | None:
    """Look up what lay at `uri` when it had this version; None if it must be taken in."""
    return _known(
        session.scalar(
            select(Document)
            .join(Source)
            .where(Source.uri == uri, Source.version == version)
            .order_by(Source.last_seen_at.desc(), Source.id.desc())
            .limit(1)
        )
    )


def find_document(session: Session, text: str) -> Document:
    """Find the document a person means.

    `text` is, tried in this order: a path or URI (what it held last), a number, the first six or
    more digits of the SHA-256, a file name or the end of a path.
    Raises DocumentNotFound or DocumentAmbiguous.
    """
    for candidates in (_by_address, _by_number, _by_sha256_start, _by_name):
        found = candidates(session, text)
        if len(found) > 1:
            raise DocumentAmbiguous(f"{text!r} may be number {_numbers(found)}.")
        if found:
            return found[0]
    raise DocumentNotFound(repr(text))


@dataclass(frozen=True, slots=True)
class Place:
    """What a document is and where it was last seen."""

    sha256: str
    media_type: str
    uri: str
    key: str
    version: str


def latest_source(session: Session, document_ids: Collection[int]) -> dict[int, Place]:
    """Return where each of the documents, which could be opened, was last seen."""
    if not document_ids:
        return {}
    rows: Iterable[Any] = session.execute(
        select(
            *(Document.id, Document.sha256, Document.media_type),
            *(Source.uri, Source.key, Source.version),
        )
        .join(Source)
        .where(among(Document.id, document_ids))
        .order_by(Source.last_seen_at, Source.id)
    )
    return {row.id: Place(*row[1:]) for row in rows}


def settle(
    session: Session, document_ids: Collection[int] | None = None, *, now: datetime | None = None
) -> int:
    """Close documents whose last page came to rest; returns how many. None: all of them, a sweep.

    The ledger calls this with every page that comes to rest, in the same transaction. Where several
    write at once, documents without waiting pages are locked first: of two last pages the second
    then sees the first. The sweep is for what slips through: a page that waited, was read and came
    to rest in the time another took from looking to its commit.
    """
    if session.get_bind().dialect.name != "sqlite":
        document_ids = _lock_nearly_closed(session, document_ids)
        if not document_ids:
            return 0
    values = {"moment": now or present(session)}
    if document_ids is None:
        return len(session.execute(_closing(), values).all())
    chosen = {**values, "chosen": list(document_ids)}
    return len(session.execute(_closing(chosen=True), chosen).all())


def _lock_nearly_closed(session: Session, document_ids: Collection[int] | None) -> list[int]:
    """Lock documents none of whose pages waits; the statements after this one see what happened
    before it had the locks.
    """
    waiting = exists().where(Page.document_id == Document.id, at(Page.state, "pending"))
    nearly = select(Document.id).where(Document.state == "reading", ~waiting)
    if document_ids is not None:
        nearly = nearly.where(among(Document.id, document_ids))
    locked = nearly.order_by(Document.id).with_for_update(key_share=True)
    return list(session.scalars(locked))


@cache
def _closing(*, chosen: bool = False) -> ReturningUpdate[Any]:
    """The statement of `settle`, built once: it runs with every page."""
    documents, pages = table_of(Document), table_of(Page)
    of_document = pages.c.document_id == documents.c.id
    still_open = exists().where(of_document, at(pages.c.state, "pending", "leased"))
    spoilt = exists().where(of_document, at(pages.c.state, "quarantined"))
    closing = (
        update(documents)
        .where(documents.c.state == "reading", ~still_open)
        .values(
            state=case((spoilt, "partial"), else_="done"),
            finished_at=bindparam("moment", type_=UtcTime()),
        )
    )
    if chosen:
        closing = closing.where(documents.c.id.in_(bindparam("chosen", expanding=True)))
    return closing.returning(documents.c.id)


def _new_document(session: Session, sha256: str | None, state: str, moment: datetime) -> Document:
    document = Document(sha256=sha256, state=state, page_count=0, taken_in_at=moment)
    session.add(document)
    return document


def _set_error(document: Document, error: ErrorInfo | None) -> None:
    document.error_code = error.code if error else None
    document.error_message = storable(error.message) if error else None
    document.error_advice = storable(error.advice) if error else None
    document.error_retryable = error.retryable if error else None


def _add_source(session: Session, document: Document, source: SourceRef, moment: datetime) -> None:
    row = session.scalar(
        select(Source).where(Source.document_id == document.id, Source.uri == source.uri)
    )
    if row is None:
        row = Source(document_id=document.id, uri=source.uri, first_seen_at=moment)
        session.add(row)
    row.name, row.key = storable(readable(source.uri)), source.key
    row.version, row.last_seen_at = source.version, moment
    session.flush()
    _forget_replaced_failures(session, document.id, source.uri)


def _forget_replaced_failures(session: Session, document_id: int, uri: str) -> None:
    """Drop failed documents that were at `uri` if by now other contents lie wherever they were."""
    session.execute(_forgetting(), {"kept": document_id, "at_uri": uri})


@cache
def _forgetting() -> Delete:
    """The statement of `_forget_replaced_failures`, built once: it runs with every file."""
    here, place, newer = aliased(Source), aliased(Source), aliased(Source)
    replaced = exists().where(
        newer.uri == place.uri,
        newer.document_id != place.document_id,
        newer.last_seen_at >= place.last_seen_at,
    )
    return (
        delete(Document)
        .where(
            Document.id != bindparam("kept"),
            Document.state == "failed",
            exists().where(here.document_id == Document.id, here.uri == bindparam("at_uri")),
            ~exists().where(place.document_id == Document.id, ~replaced),
        )
        .execution_options(synchronize_session=False)
    )


def _add_pages(
    session: Session,
    document_id: int,
    page_nos: list[int],
    already: int,
    lane: int,
    queue: str,
    moment: datetime,
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "document_id": document_id,
            "page_no": page_no,
            "queue": queue,
            "lane": lane,
            "sched_rank": position // PAGES_A_TURN,
            "due_at": moment,
        }
        for position, page_no in enumerate(page_nos, start=already)
    ]
    if rows:
        session.execute(table_of(Page).insert(), rows)


def _known(document: Document | None) -> Known | None:
    if document is None:
        return None
    return Known(document.id, document.state, document.page_count, document.error_code)


def _alone(session: Session, sha256: str | None, source: SourceRef) -> None:
    """Take in one content, and what lies at one place, one after the other."""
    alone(session, f"content {sha256}", f"place {source.uri}")


def _by_sha256(session: Session, sha256: str) -> Document | None:
    return session.scalar(select(Document).where(Document.sha256 == sha256))


def _locked(session: Session, sha256: str) -> Document | None:
    """The document as it is now, locked: `settle` must not close what gets pages at this moment."""
    chosen = select(Document).where(Document.sha256 == sha256).with_for_update(key_share=True)
    return session.scalar(chosen.execution_options(populate_existing=True))


def _unread(session: Session, uri: str) -> Document | None:
    unread = select(Document).join(Source).where(Document.sha256.is_(None), Source.uri == uri)
    return session.scalar(unread.limit(1))


def _by_address(session: Session, text: str) -> list[Document]:
    text = storable(text)
    latest = (
        select(Document)
        .join(Source)
        .where((Source.name == text) | (Source.uri == text))
        .order_by(Source.last_seen_at.desc(), Source.id.desc())
        .limit(1)
    )
    return list(session.scalars(latest))


def _by_number(session: Session, text: str) -> list[Document]:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        return []
    document = session.get(Document, int(text))
    return [document] if document else []


def _by_sha256_start(session: Session, text: str) -> list[Document]:
    start = text.lower()
    if not _SHA256_START.fullmatch(start):
        return []
    # Hexadecimal digits only, so that "g" comes after every continuation.
    chosen = select(Document).where(Document.sha256 >= start, Document.sha256 < start + "g")
    return list(session.scalars(chosen))


def _by_name(session: Session, text: str) -> list[Document]:
    ending = storable("/" + text.removeprefix("./").lstrip("/"))
    start = func.length(Source.name) - len(ending) + 1
    matching = func.substr(Source.name, start) == literal(ending)
    # The last content of each place: a file that was overwritten is one file.
    newest = aliased(Source)
    replaced = exists().where(newest.uri == Source.uri, newest.last_seen_at > Source.last_seen_at)
    chosen = select(Document).join(Source).where(matching, ~replaced).distinct()
    return list(session.scalars(chosen.order_by(Document.id)))


def _numbers(documents: list[Document]) -> str:
    names = [str(document.id) for document in documents[:8]]
    return " or ".join(names) + (" or others" if len(documents) > len(names) else "")
