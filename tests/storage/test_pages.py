import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from storage import ledger
from storage.errors import ErrorInfo
from storage.pages import stream_pages
from storage.results import SavedPage
from storage.runs import ModelRef, Provenance, run_id

Sessions = sessionmaker[Session]


def test_pages_come_in_order_with_what_is_known_of_them(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    document = add("a.pdf", 3)
    with sessions.begin() as session:
        run = run_id(session, Provenance(code_version="1.0", recognizer=ModelRef("rec", "e" * 64)))
        one, two, _ = ledger.claim(session, worker="w", limit=3)
        error = ErrorInfo("page_damaged", "It is damaged.", "", False)
        ledger.fail(session, one, error, blame=False)
        ledger.finish(session, two, replace(make_page("a b", "c", run_id=run), rotation=90))
    with sessions() as session:
        bad, good, waiting = stream_pages(session, document)
    assert (bad.state, bad.error_code, bad.lines) == ("quarantined", "page_damaged", ())
    assert (waiting.state, waiting.page_no, waiting.read_by) == ("leased", 3, None)
    assert (good.state, good.text, good.rotation) == ("done", "a b\nc", 90)
    assert [word.text for word in good.lines[0].words] == ["a", "b"]
    assert good.document.source == "/inbox/a.pdf"
    assert good.read_by is not None
    assert (good.read_by.recognizer, good.read_by.detector) == ("rec", None)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, list(range(1, 41))),
        ([7, 3, 3], [3, 7]),
        ([], []),
        (range(17, 1000), list(range(17, 41))),
    ],
)
def test_some_pages_may_be_chosen(
    sessions: Sessions, add: Callable[..., int], wanted: list[int] | None, expected: list[int]
) -> None:
    document = add("a.pdf", 40)
    with sessions() as session:
        assert [page.page_no for page in stream_pages(session, document, wanted)] == expected


def test_chosen_pages_that_are_not_there_do_not_hide_others(
    sessions: Sessions, add: Callable[..., int]
) -> None:
    document = add("a.pdf", [1, 500], file_pages=500)
    with sessions() as session:
        pages = [page.page_no for page in stream_pages(session, document, range(2, 501))]
    assert pages == [500]


def test_memory_stays_flat_over_two_thousand_pages(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    document = add("long.pdf", 2_000)
    with sessions.begin() as session:
        (lease,) = ledger.claim(session, worker="w")
        ledger.finish(session, lease, make_page(*["several words on a line of text"] * 3))
        # The other pages say the same.
        session.execute(text("UPDATE pages SET state = 'done'"))
        session.execute(
            text(
                "INSERT INTO lines SELECT p.id, line_no, block_no, text, confidence, x0, y0, x1,"
                " y1, polygon, words, source FROM pages p JOIN lines ON page_id = 1 WHERE p.id > 1"
            )
        )
    with sessions() as session:
        tracemalloc.start()
        pages = stream_pages(session, document)
        for _ in range(100):
            next(pages)
        tracemalloc.reset_peak()
        early = tracemalloc.get_traced_memory()[0]
        count = sum(len(page.lines) for page in pages)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 1_900 * 3
    # a batch of 16 pages is some 200 kB of Python objects, 1,900 pages would be 20 MB
    assert peak - early < 2_000_000
