"""The full-text index over page_texts.tokens, kept in step by the database itself.

On SQLite by triggers. The index stores no text of its own (external content,
https://sqlite.org/fts5.html section 4.4.3): to forget a row it is told the tokens it was given,
which page_texts still has. The tokens are already folded, so the `ascii` tokenizer is right: it
takes everything beyond ASCII as a letter and does not depend on the Unicode version SQLite was
built with.

On PostgreSQL it is a generated column with a GIN index. No parser sees the tokens, so neither
locale nor text search configuration matter, and no positions are kept: of those a tsvector has
too few for a full page (https://www.postgresql.org/docs/current/textsearch-limitations.html), and
storage/matching.py looks at the tokens themselves. A tsvector may hold a megabyte; a page with more
has none and is a candidate always.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMN = """
ALTER TABLE page_texts ADD COLUMN search tsvector GENERATED ALWAYS AS (
  CASE WHEN octet_length(tokens) <= 1000000
       THEN array_to_tsvector(array_remove(string_to_array(tokens, ' '), '')) END) STORED
"""
GIN = """
CREATE INDEX ix_page_texts_search ON page_texts USING gin (search) WITH (fastupdate = off)
"""
WITHOUT = """
CREATE INDEX ix_page_texts_unsearched ON page_texts (page_id) WHERE search IS NULL
"""

INDEX = """
CREATE VIRTUAL TABLE page_search USING fts5(
  tokens, content = 'page_texts', content_rowid = 'page_id', tokenize = 'ascii')
"""
INSERTED = """
CREATE TRIGGER page_texts_inserted AFTER INSERT ON page_texts BEGIN
  INSERT INTO page_search(rowid, tokens) VALUES (new.page_id, new.tokens);
END
"""
DELETED = """
CREATE TRIGGER page_texts_deleted AFTER DELETE ON page_texts BEGIN
  INSERT INTO page_search(page_search, rowid, tokens)
  VALUES ('delete', old.page_id, old.tokens);
END
"""
UPDATED = """
CREATE TRIGGER page_texts_updated AFTER UPDATE ON page_texts BEGIN
  INSERT INTO page_search(page_search, rowid, tokens)
  VALUES ('delete', old.page_id, old.tokens);
  INSERT INTO page_search(rowid, tokens) VALUES (new.page_id, new.tokens);
END
"""


def upgrade() -> None:
    """Make the index and fill it with what is there."""
    if op.get_context().dialect.name != "sqlite":
        for statement in (COLUMN, GIN, WITHOUT):
            op.execute(statement)
        return
    for statement in (INDEX, INSERTED, DELETED, UPDATED):
        op.execute(statement)
    op.execute("INSERT INTO page_search(page_search) VALUES ('rebuild')")


def downgrade() -> None:
    """Drop it."""
    if op.get_context().dialect.name != "sqlite":
        op.execute("ALTER TABLE page_texts DROP COLUMN search")
        return
    for name in ("inserted", "deleted", "updated"):
        op.execute(f"DROP TRIGGER page_texts_{name}")
    op.execute("DROP TABLE page_search")
