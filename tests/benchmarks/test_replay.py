from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from benchmarks.replay import PageNumber, storage_seconds
from benchmarks.whole_job import read_pages
from ocr_core.page import TextLine, quad_of
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document
from storage.ledger import claim, finish
from storage.results import SavedPage


def finish_two_pages(session: Session) -> None:
    add_document(
        session,
        sha256="ab" * 32,
        size=10,
        media_type="application/pdf",
        source=SourceRef(uri="file:///letter.pdf", key="letter.pdf", version="1"),
        pages=[PageNumber(1), PageNumber(2)],
        file_pages=2,
    )
    line = TextLine("Dear Ms Whitcombe", quad_of((10, 10, 200, 30)), 0.98)
    for lease in claim(session, worker="test", limit=2):
        saved = SavedPage(
            width=600,
            height=800,
            dpi=150,
            text_source="ocr",
            lines=[line],
            stage_seconds={"detect": 0.5, "recognise": 1.25},
        )
        finish(session, lease, saved)


def test_a_finished_job_is_stored_again_page_by_page(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'job.db'}")
    migrate(engine)
    with session_factory(engine).begin() as session:
        finish_two_pages(session)
    engine.dispose()
    assert storage_seconds(tmp_path / "job.db", tmp_path / "again.db") > 0
    states, stages = read_pages(tmp_path / "again.db")
    assert states == {"done": 2}
    assert stages == pytest.approx({"detect": 1.0, "recognise": 2.5})
