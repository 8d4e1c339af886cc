"""The full-text index over page_texts.tokens, kept in step by triggers.

The index stores no text of its own (external content, https://sqlite.org/fts5.html section 4.4.3):
to forget a row it is told the tokens it was given, which page_texts still has. The tokens are
already folded, so the `ascii` tokenizer is right: it takes everything beyond ASCII as a letter and
does not depend on the Unicode version SQLite was built with.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

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
    for statement in (INDEX, INSERTED, DELETED, UPDATED):
        op.execute(statement)
    op.execute("INSERT INTO page_search(page_search) VALUES ('rebuild')")


def downgrade() -> None:
    """Drop it."""
    for name in ("inserted", "deleted", "updated"):
        op.execute(f"DROP TRIGGER page_texts_{name}")
    op.execute("DROP TABLE page_search")
