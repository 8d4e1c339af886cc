from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from storage import ledger, overview
from storage.documents import SourceRef, add_failed_document
from storage.errors import ErrorInfo
from storage.results import SavedPage

Sessions = sessionmaker[Session]
DAMAGED = ErrorInfo("page_damaged", "It is damaged.", "Scan it again.", False)


def mixed(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> tuple[int, int, int]:
    """A partial document, one still waiting, and one that could not be opened."""
    partial = add("partial.pdf", 2)
    with sessions.begin() as session:
        one, two = ledger.claim(session, worker="w", limit=2)
        ledger.finish(session, one, make_page("x"))
        ledger.fail(session, two, DAMAGED, blame=False)
    waiting = add("waiting.pdf", 3)
    with sessions.begin() as session:
        failed = add_failed_document(
            session,
            sha256="f" * 64,
            size=0,
            media_type=None,
            source=SourceRef("file:///inbox/empty.pdf", "empty.pdf", "0:1:1"),
            error=ErrorInfo("empty_file", "It has no bytes.", "", False),
        )
    return partial, waiting, failed


def test_counts_name_every_state(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    partial, waiting, failed = mixed(sessions, add, make_page)
    with sessions() as session:
        all_of_them = overview.counts(session)
        assert all_of_them.documents == {"reading": 1, "done": 0, "partial": 1, "failed": 1}
        assert all_of_them.pages == {"pending": 3, "leased": 0, "done": 1, "quarantined": 1}
        assert overview.counts(session, [waiting]).pages["pending"] == 3
        assert overview.counts(session, []).documents["partial"] == 0
        assert not overview.at_rest(session)
        assert overview.at_rest(session, [partial, failed])


def test_statuses_come_newest_first_and_by_state(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    partial, waiting, failed = mixed(sessions, add, make_page)
    with sessions() as session:
        statuses = list(overview.document_statuses(session))
        assert [one.document_id for one in statuses] == [failed, waiting, partial]
        assert [one.state for one in overview.document_statuses(session, state="partial")] == [
            "partial"
        ]
        (status,) = overview.document_statuses(session, document_ids=[partial], limit=5)
        assert (status.page_count, status.pages_done, status.pages_quarantined) == (2, 1, 1)
        assert (status.source, status.error_code) == ("/inbox/partial.pdf", "page_damaged")
        assert status.finished_at is not None
        assert status.finished_at.tzinfo is not None
        assert overview.document_status(session, partial) == status


def test_problems_are_failed_documents_and_given_up_pages(
    sessions: Sessions, add: Callable[..., int], make_page: Callable[..., SavedPage]
) -> None:
    partial, _, failed = mixed(sessions, add, make_page)
    with sessions() as session:
        found = [(one.document_id, one.page_no) for one in overview.problems(session)]
        assert found == [(partial, 2), (failed, None)]
        (page,) = overview.problems(session, pages_only=True)
        assert (page.error_advice, page.error_retryable) == ("Scan it again.", False)
        assert list(overview.problems(session, document_ids=[failed], pages_only=True)) == []
        (attempt,) = overview.attempts(session, partial, 2)
        assert (attempt.outcome, attempt.error_code, attempt.worker) == (
            "error",
            "page_damaged",
            "w",
        )
        assert overview.failed_uris(session) == ["file:///inbox/empty.pdf"]
        assert overview.failed_uris(session, [partial]) == []


def test_more_documents_than_variables_fit_a_statement(sessions: Sessions) -> None:
    with sessions() as session:
        assert overview.counts(session, range(300_000)).pages["done"] == 0
