"""Pages that were read, out of the database again: a few at a time, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from ocr_core.page import TextLine
from storage.among import among
from storage.overview import document_status
from storage.results import line_of
from storage.schema import Line, Model, Page, Run

PAGES_A_QUERY = 16


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """The document a page belongs to."""

    document_id: int
    sha256: str | None
    source: str
    """Where it was last seen."""
    media_type: str | None
    file_pages: int | None


@dataclass(frozen=True, slots=True)
class ReadBy:
    """What read a page."""

    recognizer: str | None
    recognizer_sha256: str | None
    detector: str | None
    detector_sha256: str | None
    line_orientation: str | None
    line_orientation_sha256: str | None
    engine: str | None
    precision: str | None
    parameter_hash: str
    code_version: str


@dataclass(frozen=True, slots=True)
class PageRecord:
    """A page with everything an export may want; `lines` is empty unless the state is done."""

    document: DocumentRef
    page_no: int
    """From 1."""
    state: str
    lines: tuple[TextLine, ...]
    """In reading order, pixels of the upright page image."""
    width: int | None
    height: int | None
    dpi: float | None
    rotation: int | None
    """Degrees clockwise by which the page image was turned to make it upright."""
    text_source: str | None
    verdict: str | None
    mean_confidence: float | None
    seconds: float | None
    image_sha256: str | None
    error_code: str | None
    error_message: str | None
    read_by: ReadBy | None
    read_at: datetime | None = None
    """When the page came to rest, UTC."""

    @property
    def text(self) -> str:
        """The lines in reading order, divided by line breaks."""
        return "\n".join(line.text for line in self.lines)


def stream_pages(
    session: Session, document_id: int, pages: Collection[int] | None = None
) -> Iterator[PageRecord]:
    """Yield the pages of a document in order, those of these numbers or all.

    Pages not (yet) read come too, without lines: an export says so instead of leaving gaps.
    Rows are fetched for PAGES_A_QUERY pages at a time.
    """
    document = _document(session, document_id)
    runs: dict[int, ReadBy] = {}
    for rows in _batches(session, document_id, pages):
        lines = _lines(session, [row.id for row in rows if row.state == "done"])
        _learn_runs(session, {row.run_id for row in rows} - {None} - runs.keys(), runs)
        for row in rows:
            yield _record(document, row, lines.get(row.id, ()), runs)


def _document(session: Session, document_id: int) -> DocumentRef:
    status = document_status(session, document_id)
    return DocumentRef(
        status.document_id, status.sha256, status.source, status.media_type, status.file_pages
    )


_COLUMNS = (
    *(Page.id, Page.page_no, Page.state, Page.width, Page.height, Page.dpi, Page.rotation),
    *(Page.text_source, Page.verdict, Page.mean_confidence, Page.seconds, Page.image_sha256),
    *(Page.error_code, Page.error_message, Page.run_id, Page.finished_at),
)


def _batches(
    session: Session, document_id: int, pages: Collection[int] | None
) -> Iterator[Sequence[Any]]:
    chosen = select(*_COLUMNS).where(Page.document_id == document_id).order_by(Page.page_no)
    if pages is not None:
        chosen = chosen.where(among(Page.page_no, pages))
    last = 0
    while rows := session.execute(chosen.where(Page.page_no > last).limit(PAGES_A_QUERY)).all():
        yield rows
        last = rows[-1].page_no


def _lines(session: Session, page_ids: Sequence[int]) -> Mapping[int, tuple[TextLine, ...]]:
    rows = session.execute(
        select(
            *(Line.page_id, Line.text, Line.confidence, Line.polygon, Line.words),
            *(Line.source, Line.block_no),
        )
        .where(Line.page_id.in_(page_ids))
        .order_by(Line.page_id, Line.line_no)
    )
    return {
        page_id: tuple(line_of(row) for row in group)
        for page_id, group in groupby(rows, lambda row: row.page_id)
    }


def _learn_runs(session: Session, missing: Collection[int], runs: dict[int, ReadBy]) -> None:
    if not missing:
        return
    recognizer, detector, orientation = aliased(Model), aliased(Model), aliased(Model)
    rows: Iterable[Any] = session.execute(
        select(
            Run.id,
            *(recognizer.name, recognizer.sha256, detector.name, detector.sha256),
            *(orientation.name, orientation.sha256),
            *(Run.engine, Run.precision, Run.parameter_hash, Run.code_version),
        )
        .outerjoin(recognizer, recognizer.id == Run.recognizer_id)
        .outerjoin(detector, detector.id == Run.detector_id)
        .outerjoin(orientation, orientation.id == Run.line_orientation_id)
        .where(Run.id.in_(missing))
    )
    runs.update({row[0]: ReadBy(*row[1:]) for row in rows})


def _record(
    document: DocumentRef, row: Any, lines: tuple[TextLine, ...], runs: Mapping[int, ReadBy]
) -> PageRecord:
    return PageRecord(
        document=document,
        page_no=row.page_no,
        state=row.state,
        lines=lines,
        width=row.width,
        height=row.height,
        dpi=row.dpi,
        rotation=row.rotation,
        text_source=row.text_source,
        verdict=row.verdict,
        mean_confidence=row.mean_confidence,
        seconds=row.seconds,
        image_sha256=row.image_sha256,
        error_code=row.error_code,
        error_message=row.error_message,
        read_by=runs.get(row.run_id),
        read_at=row.finished_at,
    )
