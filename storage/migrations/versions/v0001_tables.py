"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.times import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _documents()
    _provenance()
    _pages()
    _attempts()
    _texts()
    op.create_table(
        "leaders",
        sa.Column("role", sa.Text(), primary_key=True),
        sa.Column("owner", sa.Text(), nullable=False),
        _time("until", nullable=False),
        sa.PrimaryKeyConstraint("role", name="pk_leaders"),
    )
    if not _on_sqlite():
        # Rows of the queue change some six times and never for the same index twice: room for
        # the new version beside the old one, and the old ones gone before claims wade through.
        op.execute(
            "ALTER TABLE pages SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, "
            "autovacuum_analyze_scale_factor = 0.05)"
        )


def downgrade() -> None:
    """Drop them, and every document with them."""
    for table in (
        *("leaders", "page_texts", "lines", "attempts", "pages"),
        *("runs", "models", "sources", "documents"),
    ):
        op.drop_table(table)


def _documents() -> None:
    op.create_table(
        "documents",
        _key("id"),
        sa.Column("sha256", sa.Text()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("media_type", sa.Text()),
        sa.Column("file_pages", sa.Integer()),
        sa.Column("page_count", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        *_error(),
        _time("taken_in_at", nullable=False),
        _time("finished_at"),
        sa.CheckConstraint(
            "state IN ('reading', 'done', 'partial', 'failed')", name=op.f("ck_documents_state")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("sha256", name="uq_documents_sha256"),
    )
    op.create_index("ix_documents_state", "documents", ["state"])
    op.create_table(
        "sources",
        _key("id"),
        _key("document_id"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("uri", "name", "key", "version")),
        _time("first_seen_at", nullable=False),
        _time("last_seen_at", nullable=False),
        _reference("sources", "document_id", "documents", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        *_unique_sources(),
    )
    if _on_sqlite():
        op.create_index("ix_sources_uri_version", "sources", ["uri", "version"])
        op.create_index("ix_sources_name", "sources", ["name"])
        return
    # An address may be longer than the 2,704 bytes that a B-tree of PostgreSQL takes.
    op.execute("CREATE UNIQUE INDEX uq_sources_document_id_uri ON sources (document_id, md5(uri))")
    op.execute("CREATE INDEX ix_sources_uri_version ON sources USING hash (uri)")
    op.execute("CREATE INDEX ix_sources_name ON sources USING hash (name)")


def _unique_sources() -> list[sa.UniqueConstraint]:
    name = "uq_sources_document_id_uri"
    return [sa.UniqueConstraint("document_id", "uri", name=name)] if _on_sqlite() else []


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _provenance() -> None:
    op.create_table(
        "models",
        _key("id"),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "name", "sha256")),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("kind", "name", "sha256", name="uq_models_kind_name_sha256"),
    )
    models = ("detector_id", "recognizer_id", "line_orientation_id")
    op.create_table(
        "runs",
        _key("id"),
        sa.Column("run_hash", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text()),
        sa.Column("precision", sa.Text()),
        sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("parameter_hash", sa.Text(), nullable=False),
        *(_key(name, nullable=True) for name in models),
        _time("created_at", nullable=False),
        *(_reference("runs", name, "models") for name in models),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("run_hash", name="uq_runs_run_hash"),
    )


def _pages() -> None:
    op.create_table(
        "pages",
        _key("id"),
        _key("document_id"),
        sa.Column("page_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        *_queue_columns(),
        *_error(),
        *_result_columns(),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'done', 'quarantined')", name=op.f("ck_pages_state")
        ),
        _reference("pages", "document_id", "documents", ondelete="CASCADE"),
        _reference("pages", "run_id", "runs"),
        sa.PrimaryKeyConstraint("id", name="pk_pages"),
        sa.UniqueConstraint("document_id", "page_no", name="uq_pages_document_id_page_no"),
    )
    order = ["queue", "suspect", "lane", "sched_rank", "document_id", "page_no"]
    _partial_index("ix_pages_waiting", "pages", order, "state = 'pending'")
    _partial_index("ix_pages_leases", "pages", ["lease_until"], "state = 'leased'")
    _partial_index("ix_pages_open", "pages", ["document_id"], "state IN ('pending', 'leased')")
    _partial_index("ix_pages_quarantined", "pages", ["document_id"], "state = 'quarantined'")


def _queue_columns() -> list[sa.Column[Any]]:
    counters = ("attempts", "failures", "blamed", "lease_losses")
    return [
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("sched_rank", sa.Integer(), nullable=False),
        _time("due_at", nullable=False),
        sa.Column("suspect", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.SmallInteger(), nullable=False) for name in counters),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        _time("leased_at"),
        _time("lease_until"),
    ]


def _result_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("dpi", sa.Double()),
        sa.Column("rotation", sa.SmallInteger()),
        sa.Column("text_source", sa.Text()),
        sa.Column("verdict", sa.Text()),
        sa.Column("mean_confidence", sa.Double()),
        sa.Column("seconds", sa.Double()),
        sa.Column("stage_seconds", sa.JSON(none_as_null=True)),
        sa.Column("image_sha256", sa.Text()),
        _key("run_id", nullable=True),
        _time("finished_at"),
    ]


def _attempts() -> None:
    op.create_table(
        "attempts",
        _key("id"),
        _key("page_id"),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        _time("started_at", nullable=False),
        _time("finished_at", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("seconds", sa.Double()),
        sa.CheckConstraint(
            "outcome IN ('ok', 'error', 'blamed', 'lease_lost', 'fenced', 'released')",
            name=op.f("ck_attempts_outcome"),
        ),
        _reference("attempts", "page_id", "pages", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_page_id", "attempts", ["page_id"])
    op.create_index("ix_attempts_outcome_finished_at", "attempts", ["outcome", "finished_at"])
    _partial_index(
        "uq_attempts_page_id_token",
        "attempts",
        ["page_id", "token"],
        "outcome <> 'fenced'",
        unique=True,
    )


def _texts() -> None:
    op.create_table(
        "lines",
        _key("page_id"),
        sa.Column("line_no", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("block_no", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("x0", "y0", "x1", "y1")),
        sa.Column("polygon", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("words", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        _reference("lines", "page_id", "pages", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("page_id", "line_no", name="pk_lines"),
    )
    op.create_table(
        "page_texts",
        _key("page_id"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Text(), nullable=False),
        sa.Column("tokens_version", sa.SmallInteger(), nullable=False),
        _reference("page_texts", "page_id", "pages", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("page_id", name="pk_page_texts"),
    )


def _key(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    # SQLite gives row numbers only to a column of the type INTEGER.
    return sa.Column(
        name,
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        nullable=nullable,
        autoincrement=name == "id",
    )


def _time(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, UtcTime(), nullable=nullable)


def _error() -> list[sa.Column[Any]]:
    return [
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_advice", sa.Text()),
        sa.Column("error_retryable", sa.Boolean()),
    ]


def _reference(
    table: str, column: str, target: str, *, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete=ondelete
    )


def _partial_index(
    name: str, table: str, columns: list[str], where: str, *, unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )
