"""Both databases give the same answers to the same questions, in the same order."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.servers.postgres import PostgresServer
from ocr_core.page import TextLine, quad_of
from storage import ledger, matching
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document
from storage.results import SavedPage
from storage.search import Hit, search

Sessions = sessionmaker[Session]
WORDS = (
    "the",
    "total",
    "invoice",
    "in-",
    "voice",
    "net",
    "增值税",
    "发票",
    "税",
    "No.",
    "4711",
    "ﬁne",
)


PAGES = 30
"""Of each document."""


@dataclass(frozen=True)
class PageNo:
    page_no: int


def page(lines: list[str]) -> SavedPage:
    """A read page; where the lines stand does not matter here."""
    return SavedPage(
        width=1000,
        height=1000,
        dpi=200.0,
        text_source="ocr",
        lines=[TextLine(line, quad_of((0, n, 9, n + 1)), 0.5) for n, line in enumerate(lines)],
    )


def fill(sessions: Sessions, pages: list[list[str]]) -> None:
    with sessions.begin() as session:
        for first in range(0, len(pages), PAGES):
            count = min(PAGES, len(pages) - first)
            add_document(
                session,
                sha256=f"{first:064x}",
                size=1,
                media_type="image/tiff",
                source=SourceRef(f"file:///{first}.tif", f"{first}.tif", "1"),
                pages=[PageNo(number) for number in range(1, count + 1)],
                file_pages=count,
            )
        for lease in ledger.claim(session, worker="w", limit=len(pages)):
            number = PAGES * (lease.document_id - 1) + lease.page_no - 1
            ledger.finish(session, lease, page(pages[number]))


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[tuple[Sessions, Sessions]]:
    """Two databases with the same 300 pages."""
    chance = random.Random(7)
    pages = [
        [
            " ".join(chance.choices(WORDS, k=chance.randint(1, 8)))
            for _ in range(chance.randint(0, 6))
        ]
        for _ in range(300)
    ]
    postgres.execute("CREATE DATABASE alike")
    urls = f"sqlite:///{tmp_path_factory.mktemp('alike')}/a.db", postgres.url("alike")
    engines = [open_database(url) for url in urls]
    for engine in engines:
        migrate(engine)
        fill(session_factory(engine), pages)
    yield session_factory(engines[0]), session_factory(engines[1])
    for engine in engines:
        engine.dispose()
    postgres.execute("DROP DATABASE alike")


@settings(max_examples=80)
@given(
    query=st.lists(
        st.sampled_from([*WORDS, '"', '"*', "*", "tot*", "增值", "值", "税发"]), max_size=5
    ).map(" ".join),
    limit=st.sampled_from([1, 5, 20, 400]),
    document=st.none() | st.integers(1, 11),
)
def test_they_answer_alike(
    both: tuple[Sessions, Sessions], query: str, limit: int, document: int | None
) -> None:
    with both[0]() as one, both[1]() as other:
        assert search(one, query, limit, document) == search(other, query, limit, document)


def test_a_page_too_large_for_an_index_entry_is_found_all_the_same(sessions: Sessions) -> None:
    # more than a megabyte of different tokens, which a tsvector does not take
    large = " ".join(f"{number:x}{number * 7919:x}" for number in range(110_000))
    fill(sessions, [[large, "invoice total 增值税发票"], ["invoice"]])
    with sessions() as session:
        for query in ('"total 增值" 税发票', f"{109_999:x}{109_999 * 7919:x}"):
            assert [hit.page_no for hit in search(session, query)] == [1]
        assert search(session, '"票 invoice"') == []


def place(hit: Hit) -> tuple[int, int]:
    return hit.document_id, hit.page_no


def test_of_many_pages_the_newest_compete(
    both: tuple[Sessions, Sessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MOST_RANKED", 10)
    for sessions in both:
        with sessions() as session:
            every = {place(hit) for hit in search(session, "total", 400)}
            best = {place(hit) for hit in search(session, "total", 3)}
        assert len(every) > 100
        assert len(best) == 3
        assert best <= set(sorted(every)[-10:])
