"""The tables. People query the views over them (migrations/views.py), not the tables.

    documents ─┬─ sources            where copies of the file were found
               └─ pages ─┬─ lines    text, box, polygon, words (JSON)
                         ├─ page_texts   the page as one text, and its search tokens
                         └─ attempts     every try at reading the page
    models ── runs ── pages          what read the page, with which parameters

The `pages` rows are also the queue (ledger.py). States are plain strings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column

from storage.times import UtcTime

PAGE_STATES = ("pending", "leased", "done", "quarantined")
DOCUMENT_STATES = ("reading", "done", "partial", "failed")
LANES = ("interactive", "normal", "bulk")
"""In the order in which they are served; `pages.lane` holds the index."""
OUTCOMES = ("ok", "error", "blamed", "lease_lost", "fenced", "released")
"""How an attempt at a page ended: stored; refused by the page; the sandbox died on it; the worker
vanished; the worker came back too late; given back for a reason that is not the page's."""

# SQLite gives row numbers only to a column of the type INTEGER.
Key = BigInteger().with_variant(Integer(), "sqlite")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Base(DeclarativeBase):
    """Base of the tables; named constraints, so that migrations can find them again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (read by SQLAlchemy as a class attribute)
        datetime: UtcTime(),
        str: Text(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for bulk inserts without objects."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


class Document(Base):
    """A file content, whatever its names and copies."""

    __tablename__ = "documents"
    __table_args__ = (CheckConstraint(_one_of("state", DOCUMENT_STATES), name="state"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sha256: Mapped[str | None] = mapped_column(unique=True)
    """Of the file's bytes, hex; NULL if they could not be read at all (state failed)."""
    size: Mapped[int | None] = mapped_column(BigInteger)
    media_type: Mapped[str | None]
    file_pages: Mapped[int | None]
    """Pages in the file."""
    page_count: Mapped[int] = mapped_column(default=0)
    """Page rows: the pages chosen to be read."""
    state: Mapped[str] = mapped_column(index=True)
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_advice: Mapped[str | None]
    error_retryable: Mapped[bool | None]
    taken_in_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Source(Base):
    """A place where a document was found; the same content may lie in many."""

    __tablename__ = "sources"
    __table_args__ = (
        UniqueConstraint("document_id", "uri"),
        Index(None, "uri", "version"),
        Index(None, "name"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    uri: Mapped[str]
    name: Mapped[str]
    """The address for people: the path of a file URI, other URIs unchanged."""
    key: Mapped[str]
    version: Mapped[str]
    """The object's version when it was last seen with this content."""
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class Model(Base):
    """A model bundle that has read pages."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("kind", "name", "sha256"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    sha256: Mapped[str]


class Run(Base):
    """One way of reading: code version, models, engine and parameters."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    run_hash: Mapped[str] = mapped_column(unique=True)
    """SHA-256 over all the columns below."""
    code_version: Mapped[str]
    engine: Mapped[str | None]
    precision: Mapped[str | None]
    parameters: Mapped[dict[str, Any]]
    parameter_hash: Mapped[str]
    detector_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    recognizer_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    line_orientation_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    created_at: Mapped[datetime]


class Page(Base):
    """A page to be read, its place in the queue, and what is known of it once read."""

    __tablename__ = "pages"
    __table_args__ = (
        UniqueConstraint("document_id", "page_no"),
        CheckConstraint(_one_of("state", PAGE_STATES), name="state"),
        Index(
            "ix_pages_waiting",
            *("queue", "suspect", "lane", "sched_rank", "document_id", "page_no"),
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_pages_leases",
            "lease_until",
            sqlite_where=text("state = 'leased'"),
            postgresql_where=text("state = 'leased'"),
        ),
        Index(
            "ix_pages_open",
            "document_id",
            sqlite_where=text("state IN ('pending', 'leased')"),
            postgresql_where=text("state IN ('pending', 'leased')"),
        ),
        Index(
            "ix_pages_quarantined",
            "document_id",
            sqlite_where=text("state = 'quarantined'"),
            postgresql_where=text("state = 'quarantined'"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    page_no: Mapped[int]
    """From 1."""
    state: Mapped[str] = mapped_column(default="pending")

    queue: Mapped[str]
    lane: Mapped[int] = mapped_column(SmallInteger)
    sched_rank: Mapped[int]
    """How many sixteens of the document's chosen pages come before this one."""
    due_at: Mapped[datetime]
    """Not to be read before."""
    suspect: Mapped[bool] = mapped_column(default=False)
    """Workers keep vanishing with it: to be read alone."""
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    """How often it was leased."""
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    """Retryable errors reported in a row."""
    blamed: Mapped[int] = mapped_column(SmallInteger, default=0)
    """How often the sandbox died on it."""
    lease_losses: Mapped[int] = mapped_column(SmallInteger, default=0)
    """How often a worker vanished while holding it."""
    lease_token: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows with every lease; who shows an older one has lost the page."""
    lease_owner: Mapped[str | None]
    leased_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]

    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_advice: Mapped[str | None]
    error_retryable: Mapped[bool | None]

    width: Mapped[int | None]
    height: Mapped[int | None]
    dpi: Mapped[float | None]
    rotation: Mapped[int | None] = mapped_column(SmallInteger)
    text_source: Mapped[str | None]
    verdict: Mapped[str | None]
    """What ingest thought of the page's text layer."""
    mean_confidence: Mapped[float | None]
    seconds: Mapped[float | None]
    stage_seconds: Mapped[dict[str, Any] | None]
    image_sha256: Mapped[str | None]
    """Of the pixels that were read."""
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    finished_at: Mapped[datetime | None]


def at(
    state: InstrumentedAttribute[str] | Column[Any] | ColumnElement[str], *states: str
) -> ColumnElement[bool]:
    """Whether a page is in one of the states, written so that the partial indexes serve it.

    A database can only tell that an index holds the rows it needs if the state stands in the
    statement itself; bound parameters are not known when it is planned.
    """
    constants: list[ColumnElement[str]] = [literal_column(f"'{name}'") for name in states]
    return state == constants[0] if len(constants) == 1 else state.in_(constants)


class Line(Base):
    """A line of a page that is done."""

    __tablename__ = "lines"

    page_id: Mapped[int] = mapped_column(
        Key, ForeignKey("pages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Reading order, from 1."""
    block_no: Mapped[int]
    text: Mapped[str]
    confidence: Mapped[float]
    x0: Mapped[float]
    y0: Mapped[float]
    x1: Mapped[float]
    y1: Mapped[float]
    polygon: Mapped[list[Any]]
    """[[x, y] * 4], clockwise from the top-left corner of the text."""
    words: Mapped[list[Any]]
    """[[text, confidence, x, y, x, y, x, y, x, y], ...], corners as in `polygon`."""
    source: Mapped[str]
    """`ocr` or `text_layer`."""


class PageText(Base):
    """A page as one text, and as the tokens that search looks for."""

    __tablename__ = "page_texts"

    page_id: Mapped[int] = mapped_column(
        Key, ForeignKey("pages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    text: Mapped[str]
    tokens: Mapped[str]
    """The tokens of search.tokens(), divided by blanks."""
    tokens_version: Mapped[int] = mapped_column(SmallInteger)
    """Which rules made the tokens (search.TOKENS_VERSION)."""


class Attempt(Base):
    """One try at reading a page, however it ended."""

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint(_one_of("outcome", OUTCOMES), name="outcome"),
        # A lease ends once. Only "came back too late" may be noted after its end.
        Index(
            "uq_attempts_page_id_token",
            *("page_id", "token"),
            unique=True,
            sqlite_where=text("outcome <> 'fenced'"),
            postgresql_where=text("outcome <> 'fenced'"),
        ),
        Index(None, "page_id"),
        Index(None, "outcome", "finished_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    page_id: Mapped[int] = mapped_column(ForeignKey("pages.id", ondelete="CASCADE"))
    token: Mapped[int] = mapped_column(BigInteger)
    worker: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    outcome: Mapped[str]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    seconds: Mapped[float | None]
    """CPU seconds, where known."""


class Leader(Base):
    """Who plays a part that only one process at a time may play."""

    __tablename__ = "leaders"

    role: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    until: Mapped[datetime]
