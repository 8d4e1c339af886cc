"""Taking a file in: copied once, hashed, split in the sandbox, stored with its page rows.

Whatever is wrong with the file becomes a failed document with a code, a message and an advice;
a file that was seen is never lost from sight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

from ingest.content import DocumentFacts, PageFacts
from ingest.errors import IngestError, NoPages
from storage import documents
from storage.documents import SourceRef
from storage.errors import ErrorInfo, StorageError
from storage.schema import Document
from workers.faults import environment_faults
from workers.services import Services
from workers.sources import Source, find_source

if TYPE_CHECKING:
    from ingest.spool import SpooledFile

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became of a file that was taken in."""

    uri: str
    document_id: int
    state: Literal["taken", "known", "failed"]
    """`known`: the same bytes were taken in before; only the source is new, or nothing."""
    pages: int = 0
    """Pages of the document that are chosen for reading, whether read by now or not."""
    error: IngestError | StorageError | None = None
    """Why, if failed: code, message, advice."""


def take_in(source: Source, services: Services) -> TakenIn:
    """Copy, hash, split and store a file; a file that cannot be opened becomes a failed document.

    Safe to run twice. Raises only EnvironmentFault.
    """
    with environment_faults():
        taken = _unchanged(source, services) or _new(source, services)
    log.info("taken_in", uri=taken.uri, document=taken.document_id, state=taken.state)
    return taken


def take_in_uri(uri: str, services: Services) -> TakenIn:
    """Take in the file that a task names; one that is not there becomes a failed document."""
    try:
        source = find_source(uri)
    except (IngestError, StorageError) as error:
        return _store_failed(SourceRef(uri, uri, ""), None, None, error, services)
    return take_in(source, services)


def _unchanged(source: Source, services: Services) -> TakenIn | None:
    """What the source is known to hold, if there is nothing more to do for it."""
    found = source.object
    with services.reading() as session:
        known = documents.known_source(session, found.uri, found.version)
        document = session.get(Document, known.document_id) if known else None
    if document is None or document.state == "failed":
        return None
    if document.page_count != document.file_pages:  # rows for other pages may be asked for now
        return None
    return TakenIn(uri=found.uri, document_id=document.id, state="known", pages=document.page_count)


def _new(source: Source, services: Services) -> TakenIn:
    spooled: SpooledFile | None = None
    try:
        with environment_faults():
            spooled = services.spool.take(source.bucket, source.object)
            facts = services.renderer.submit(_split, spooled, services).result()
            chosen = _chosen(facts, services)
    except IngestError as error:
        return _add_failed(source, spooled, error, services)
    return _add(source, spooled, facts, chosen, services)


def _split(spooled: SpooledFile, services: Services) -> DocumentFacts:
    return services.sandbox.split(spooled.path, services.settings.passwords)


def _chosen(facts: DocumentFacts, services: Services) -> list[PageFacts]:
    """The pages to read; raises NoPages if the selection leaves none."""
    numbers = set(services.settings.page_selection.numbers(facts.page_count))
    chosen = [page for page in facts.pages if page.page_no in numbers]
    if not chosen:
        raise NoPages(f"none of pages {services.settings.pages}, it has {facts.page_count}")
    return chosen


def _add(
    source: Source,
    spooled: SpooledFile,
    facts: DocumentFacts,
    chosen: list[PageFacts],
    services: Services,
) -> TakenIn:
    settings = services.settings
    with services.session.begin() as session:
        known = documents.known_content(session, spooled.sha256)
        document_id = documents.add_document(
            session,
            sha256=spooled.sha256,
            size=spooled.size,
            media_type=facts.media_type,
            source=_place(source),
            pages=chosen,
            file_pages=facts.page_count,
            lane=settings.lane,
            queue=settings.queue,
        )
        pages = session.get_one(Document, document_id).page_count
    old = known is not None and known.state != "failed" and known.page_count == pages
    return TakenIn(
        uri=source.object.uri,
        document_id=document_id,
        state="known" if old else "taken",
        pages=pages,
    )


def _add_failed(
    source: Source, spooled: SpooledFile | None, error: IngestError, services: Services
) -> TakenIn:
    sha256 = spooled.sha256 if spooled else None
    return _store_failed(_place(source), sha256, source.object.size, error, services)


def _store_failed(
    place: SourceRef,
    sha256: str | None,
    size: int | None,
    error: IngestError | StorageError,
    services: Services,
) -> TakenIn:
    info = ErrorInfo(error.code, error.message, error.advice, error.retryable)
    with environment_faults(), services.session.begin() as session:
        document_id = documents.add_failed_document(
            session, sha256=sha256, size=size, media_type=None, source=place, error=info
        )
    return TakenIn(uri=place.uri, document_id=document_id, state="failed", error=error)


def _place(source: Source) -> SourceRef:
    return SourceRef(source.object.uri, source.object.key, source.object.version)
