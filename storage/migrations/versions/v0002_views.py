"""The views people query first. Their names and columns are promised: only ever add to them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOCUMENTS = """
CREATE VIEW v_documents AS
SELECT d.id AS document_id,
       d.sha256,
       (SELECT s.name FROM sources s WHERE s.document_id = d.id
         ORDER BY s.last_seen_at DESC, s.id DESC LIMIT 1) AS source,
       d.media_type,
       d.page_count,
       (SELECT count(*) FROM pages p WHERE p.document_id = d.id AND p.state = 'done')
         AS pages_done,
       (SELECT count(*) FROM pages p WHERE p.document_id = d.id AND p.state = 'quarantined')
         AS pages_quarantined,
       d.state,
       -- of a document that could be opened, the first of its pages' errors
       coalesce(d.error_code,
                (SELECT p.error_code FROM pages p
                  WHERE p.document_id = d.id AND p.state = 'quarantined'
                  ORDER BY p.page_no LIMIT 1)) AS error_code,
       d.error_message,
       d.error_advice,
       d.taken_in_at,
       d.finished_at,
       d.size,
       d.file_pages,
       (SELECT count(*) FROM sources s WHERE s.document_id = d.id) AS source_count
  FROM documents d
"""

PAGES = """
CREATE VIEW v_pages AS
SELECT p.document_id,
       p.page_no,
       p.state,
       t.text,
       p.mean_confidence,
       p.text_source,
       p.width,
       p.height,
       p.dpi,
       p.rotation,
       recognizer.name AS model,
       p.seconds,
       p.error_code,
       p.error_message,
       p.error_advice,
       p.verdict,
       recognizer.sha256 AS model_sha256,
       detector.name AS detector,
       detector.sha256 AS detector_sha256,
       orientation.name AS line_orientation,
       orientation.sha256 AS line_orientation_sha256,
       r.engine,
       r.precision,
       r.parameter_hash,
       r.code_version,
       p.image_sha256,
       p.stage_seconds,
       CASE p.lane WHEN 0 THEN 'interactive' WHEN 1 THEN 'normal' ELSE 'bulk' END AS lane,
       p.attempts,
       p.blamed,
       p.lease_losses,
       p.due_at,
       p.lease_owner,
       p.lease_until,
       p.finished_at,
       p.id AS page_id
  FROM pages p
  LEFT JOIN page_texts t ON t.page_id = p.id
  LEFT JOIN runs r ON r.id = p.run_id
  LEFT JOIN models recognizer ON recognizer.id = r.recognizer_id
  LEFT JOIN models detector ON detector.id = r.detector_id
  LEFT JOIN models orientation ON orientation.id = r.line_orientation_id
"""

LINES = """
CREATE VIEW v_lines AS
SELECT p.document_id,
       p.page_no,
       l.line_no,
       l.text,
       l.confidence,
       l.x0,
       l.y0,
       l.x1,
       l.y1,
       l.polygon,
       CASE l.source WHEN 'ocr' THEN m.name END AS model,
       l.source AS text_source,
       l.block_no,
       l.page_id
  FROM lines l
  JOIN pages p ON p.id = l.page_id
  LEFT JOIN runs r ON r.id = p.run_id
  LEFT JOIN models m ON m.id = r.recognizer_id
"""


# A word is [text, confidence, x, y, x, y, x, y, x, y].
def _numbers(*places: int) -> str:
    return ", ".join(f"CAST(w.value ->> {place} AS double precision)" for place in places)


WORDS_ON_POSTGRESQL = f"""
CREATE VIEW v_words AS
SELECT p.document_id,
       p.page_no,
       l.line_no,
       w.number AS word_no,
       w.value ->> 0 AS text,
       {_numbers(1)} AS confidence,
       least({_numbers(2, 4, 6, 8)}) AS x0,
       least({_numbers(3, 5, 7, 9)}) AS y0,
       greatest({_numbers(2, 4, 6, 8)}) AS x1,
       greatest({_numbers(3, 5, 7, 9)}) AS y1,
       json_build_array(
         json_build_array(w.value -> 2, w.value -> 3),
         json_build_array(w.value -> 4, w.value -> 5),
         json_build_array(w.value -> 6, w.value -> 7),
         json_build_array(w.value -> 8, w.value -> 9)) AS polygon,
       l.page_id
  FROM lines l
  JOIN pages p ON p.id = l.page_id
 CROSS JOIN LATERAL json_array_elements(l.words) WITH ORDINALITY AS w(value, number)
"""

WORDS_ON_SQLITE = """
CREATE VIEW v_words AS
SELECT p.document_id,
       p.page_no,
       l.line_no,
       w.key + 1 AS word_no,
       json_extract(w.value, '$[0]') AS text,
       json_extract(w.value, '$[1]') AS confidence,
       min(json_extract(w.value, '$[2]'), json_extract(w.value, '$[4]'),
           json_extract(w.value, '$[6]'), json_extract(w.value, '$[8]')) AS x0,
       min(json_extract(w.value, '$[3]'), json_extract(w.value, '$[5]'),
           json_extract(w.value, '$[7]'), json_extract(w.value, '$[9]')) AS y0,
       max(json_extract(w.value, '$[2]'), json_extract(w.value, '$[4]'),
           json_extract(w.value, '$[6]'), json_extract(w.value, '$[8]')) AS x1,
       max(json_extract(w.value, '$[3]'), json_extract(w.value, '$[5]'),
           json_extract(w.value, '$[7]'), json_extract(w.value, '$[9]')) AS y1,
       json_array(
         json_array(json_extract(w.value, '$[2]'), json_extract(w.value, '$[3]')),
         json_array(json_extract(w.value, '$[4]'), json_extract(w.value, '$[5]')),
         json_array(json_extract(w.value, '$[6]'), json_extract(w.value, '$[7]')),
         json_array(json_extract(w.value, '$[8]'), json_extract(w.value, '$[9]'))) AS polygon,
       l.page_id
  FROM lines l
  JOIN pages p ON p.id = l.page_id
  JOIN json_each(l.words) w
"""

LOW_CONFIDENCE = """
CREATE VIEW v_low_confidence_lines AS
SELECT d.source, l.*
  FROM v_lines l
  JOIN v_documents d ON d.document_id = l.document_id
 WHERE l.confidence < 0.8 AND l.text_source = 'ocr'
"""

ERRORS = """
CREATE VIEW v_errors AS
SELECT d.document_id,
       NULL AS page_no,
       d.source,
       d.state,
       d.error_code,
       d.error_message,
       d.error_advice,
       e.error_retryable,
       NULL AS attempts,
       d.finished_at
  FROM v_documents d
  JOIN documents e ON e.id = d.document_id
 WHERE d.state = 'failed'
UNION ALL
SELECT p.document_id,
       p.page_no,
       (SELECT s.name FROM sources s WHERE s.document_id = p.document_id
         ORDER BY s.last_seen_at DESC, s.id DESC LIMIT 1),
       p.state,
       p.error_code,
       p.error_message,
       p.error_advice,
       p.error_retryable,
       p.attempts,
       p.finished_at
  FROM pages p
 WHERE p.state = 'quarantined'
"""


def upgrade() -> None:
    """Make them, those that others stand on first."""
    on_sqlite = op.get_context().dialect.name == "sqlite"
    words = WORDS_ON_SQLITE if on_sqlite else WORDS_ON_POSTGRESQL
    for view in (DOCUMENTS, PAGES, LINES, words, LOW_CONFIDENCE, ERRORS):
        op.execute(view)


def downgrade() -> None:
    """Drop them."""
    for name in ("v_errors", "v_low_confidence_lines", "v_words", "v_lines", "v_pages"):
        op.execute(f"DROP VIEW {name}")
    op.execute("DROP VIEW v_documents")
