import hashlib
from collections.abc import Callable

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from storage import ledger
from storage.documents import (
    SourceRef,
    add_failed_document,
    find_document,
    known_content,
    known_source,
    settle,
)
from storage.errors import DocumentAmbiguous, DocumentNotFound, ErrorInfo
from storage.results import SavedPage
from storage.schema import Document, Page, Source

Sessions = sessionmaker[Session]
Add = Callable[..., int]
NEEDS_PASSWORD = ErrorInfo("password_needed", "It is locked.", "Give --password.", True)


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def view(sessions: Sessions, document: int) -> dict[str, object]:
    with sessions() as session:
        query = text("SELECT * FROM v_documents WHERE document_id = :id")
        return dict(session.execute(query, {"id": document}).mappings().one())


def fail(sessions: Sessions, name: str, content: str | None, error: ErrorInfo) -> int:
    with sessions.begin() as session:
        return add_failed_document(
            session,
            sha256=content and sha256(content),
            size=10,
            media_type=None,
            source=SourceRef(f"file:///inbox/{name}", name, "10:1:1"),
            error=error,
        )


def test_a_document_is_taken_in_with_its_pages_in_one_transaction(
    sessions: Sessions, add: Add
) -> None:
    document = add("发票.pdf", [2, 3, 5], file_pages=9)
    row = view(sessions, document)
    assert (row["state"], row["page_count"], row["file_pages"]) == ("reading", 3, 9)
    assert row["source"] == "/inbox/发票.pdf"
    with sessions() as session:
        pages = session.scalars(select(Page).order_by(Page.page_no)).all()
        assert [(page.page_no, page.state) for page in pages] == [
            (2, "pending"),
            (3, "pending"),
            (5, "pending"),
        ]


def test_a_second_copy_adds_a_source_and_no_work(
    sessions: Sessions, add: Add, store: Callable[..., None]
) -> None:
    first = add("a.pdf", 2, content="same")
    store(["one"], ["two"])
    assert add("copy.pdf", 2, content="same") == first
    row = view(sessions, first)
    assert (row["source_count"], row["state"], row["pages_done"]) == (2, "done", 2)


def test_seeing_the_same_copy_again_moves_its_version(sessions: Sessions, add: Add) -> None:
    document = add("a.pdf")
    add("a.pdf")
    with sessions.begin() as session:
        source = session.scalars(select(Source)).one()
        assert source.first_seen_at <= source.last_seen_at
        known = known_source(session, "file:///inbox/a.pdf", "1000:1:1")
        assert known is not None
        assert known.document_id == document
        assert known_source(session, "file:///inbox/a.pdf", "1000:2:1") is None


def test_choosing_more_pages_later_reads_only_the_new_ones(
    sessions: Sessions, add: Add, store: Callable[..., None]
) -> None:
    document = add("a.pdf", [1], file_pages=3)
    store(["one"])
    assert view(sessions, document)["state"] == "done"
    add("a.pdf", [1, 3], file_pages=3)
    row = view(sessions, document)
    assert (row["state"], row["page_count"], row["pages_done"]) == ("reading", 2, 1)
    assert row["finished_at"] is None
    store(["never read again"], [], ["three"])
    row = view(sessions, document)
    assert (row["state"], row["pages_done"]) == ("done", 2)
    with sessions() as session:
        texts = session.execute(text("SELECT text FROM v_pages ORDER BY page_no")).scalars().all()
    assert texts == ["one", "three"]


@pytest.mark.parametrize("pages", [[], [0], [4]])
def test_pages_outside_the_file_are_a_mistake_of_the_caller(add: Add, pages: list[int]) -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        add("a.pdf", pages or (), file_pages=3)


def test_a_file_that_cannot_be_opened_is_written_down(sessions: Sessions) -> None:
    document = fail(sessions, "locked.pdf", "locked", NEEDS_PASSWORD)
    row = view(sessions, document)
    assert (row["state"], row["page_count"]) == ("failed", 0)
    assert (row["error_code"], row["error_advice"]) == ("password_needed", "Give --password.")
    assert row["finished_at"] is not None
    with sessions() as session:
        (error,) = session.execute(text("SELECT * FROM v_errors")).mappings()
        assert error["source"] == "/inbox/locked.pdf"
        assert error["page_no"] is None


def test_a_password_turns_a_failed_document_good(sessions: Sessions, add: Add) -> None:
    document = fail(sessions, "locked.pdf", "locked", NEEDS_PASSWORD)
    assert add("locked.pdf", 2, content="locked") == document
    row = view(sessions, document)
    assert (row["state"], row["error_code"], row["page_count"]) == ("reading", None, 2)


def test_a_failure_does_not_spoil_what_is_already_good(sessions: Sessions, add: Add) -> None:
    document = add("a.pdf", 1, content="same")
    assert fail(sessions, "b.pdf", "same", NEEDS_PASSWORD) == document
    row = view(sessions, document)
    assert (row["state"], row["error_code"], row["source_count"]) == ("reading", None, 2)


def test_a_file_without_readable_bytes_is_one_row_until_it_can_be_read(
    sessions: Sessions, add: Add
) -> None:
    denied = ErrorInfo("unreadable_source", "Permission denied.", "Check the rights.", True)
    document = fail(sessions, "a.pdf", None, denied)
    assert fail(sessions, "a.pdf", None, denied) == document
    assert fail(sessions, "b.pdf", None, denied) != document
    add("a.pdf")
    with sessions() as session:
        states = session.execute(text("SELECT source, state FROM v_documents")).all()
    assert sorted(states) == [("/inbox/a.pdf", "reading"), ("/inbox/b.pdf", "failed")]


def test_the_error_of_a_replaced_file_goes_away_unless_a_copy_is_left(
    sessions: Sessions, add: Add
) -> None:
    damaged = ErrorInfo("damaged_file", "It is damaged.", "", False)
    fail(sessions, "a.pdf", "damaged", damaged)
    fail(sessions, "copy.pdf", "damaged", damaged)
    add("a.pdf", content="mended")
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM v_errors")) == 1
    add("copy.pdf", content="mended")
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM v_errors")) == 0
        assert session.scalar(text("SELECT count(*) FROM documents")) == 1


def test_text_no_database_can_hold_is_stored_without_it(sessions: Sessions) -> None:
    odd = ErrorInfo("damaged_file", "bad \0 name \udcff", "", False)
    document = fail(sessions, "a.pdf", "x", odd)
    assert view(sessions, document)["error_message"] == "bad \ufffd name \ufffd"


def found(sessions: Sessions, words: str) -> int:
    with sessions() as session:
        return find_document(session, words).id


def test_a_document_is_found_by_what_a_person_knows_of_it(sessions: Sessions, add: Add) -> None:
    one, other = add("sub/a.pdf"), add("100")
    assert found(sessions, str(one)) == one
    assert found(sessions, sha256("sub/a.pdf")[:8].upper()) == one
    for words in ("/inbox/sub/a.pdf", "file:///inbox/sub/a.pdf", "sub/a.pdf", "./a.pdf", "a.pdf"):
        assert found(sessions, words) == one
    assert found(sessions, "100") == other


@pytest.mark.parametrize("words", ["b.pdf", "99", "abcdef", "", "/", ".pdf", "%", "a_pdf"])
def test_a_document_nobody_knows_is_not_found(sessions: Sessions, add: Add, words: str) -> None:
    add("a.pdf")
    with pytest.raises(DocumentNotFound):
        found(sessions, words)


def test_two_files_of_one_name_must_be_told_apart(sessions: Sessions, add: Add) -> None:
    one, other = add("x/a.pdf"), add("y/a.pdf")
    with pytest.raises(DocumentAmbiguous, match=f"{one} or {other}"):
        found(sessions, "a.pdf")
    assert found(sessions, "x/a.pdf") == one


def test_a_path_means_what_lies_there_now(sessions: Sessions, add: Add) -> None:
    old = add("a.pdf", content="old")
    new = add("a.pdf", content="new")
    assert found(sessions, "/inbox/a.pdf") == new
    assert found(sessions, "a.pdf") == new
    add("a.pdf", content="old")
    assert found(sessions, "a.pdf") == old


def test_known_content_tells_its_state(sessions: Sessions, add: Add) -> None:
    add("a.pdf", 3)
    with sessions() as session:
        known = known_content(session, sha256("a.pdf"))
        assert known is not None
        assert (known.state, known.page_count) == ("reading", 3)
        assert known_content(session, sha256("b.pdf")) is None


def test_the_sweep_closes_what_two_last_pages_left_open(
    sessions: Sessions, add: Add, make_page: Callable[..., SavedPage]
) -> None:
    document, other = add("a.pdf", 2), add("b.pdf", 1)
    with sessions.begin() as session:
        leases = ledger.claim(session, worker="w", limit=2)
        for lease in leases:
            ledger.finish(session, lease, make_page("x"))
        session.get_one(Document, document).state = "reading"  # as if neither had seen the other
    with sessions.begin() as session:
        assert settle(session) == 1
        assert settle(session) == 0
    assert view(sessions, document)["state"] == "done"
    assert view(sessions, other)["state"] == "reading"


def test_a_document_with_thousands_of_pages_is_taken_in(sessions: Sessions, add: Add) -> None:
    document = add("long.pdf", 20_000)
    with sessions() as session:
        ranks = session.execute(
            select(Page.sched_rank).where(Page.document_id == document).order_by(Page.page_no)
        ).scalars()
        assert list(ranks) == [position // 16 for position in range(20_000)]


def test_pages_chosen_far_into_a_file_are_served_as_early_as_the_first(
    sessions: Sessions, add: Add
) -> None:
    add("a.pdf", 40)
    add("b.pdf", [500], file_pages=500)
    with sessions.begin() as session:
        leases = ledger.claim(session, worker="w", limit=17)
    assert leases[-1].page_no == 500
