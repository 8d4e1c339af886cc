import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pymupdf
import pytest
from sqlalchemy import select, text

from ingest.errors import InstallationBroken, SandboxCrashed
from ocr_core.errors import EngineFailed, ModelMissing
from ocr_core.reader import Reader
from storage import ledger
from storage.schema import Attempt, Document, Page
from storage.times import utc_now
from workers.faults import EnvironmentFault
from workers.pipeline import next_page_in, read_file, read_pages, take_in
from workers.services import Services
from workers.sources import find_source

Draw = Callable[..., Path]
TEXT = "A true sentence that stands on the page."


def take(path: Path, services: Services) -> Any:
    return take_in(find_source(str(path)), services)


def pages(services: Services) -> list[Page]:
    with services.reading() as session:
        return list(session.scalars(select(Page).order_by(Page.document_id, Page.page_no)))


def outcomes(services: Services) -> list[str]:
    with services.reading() as session:
        return list(session.scalars(select(Attempt.outcome).order_by(Attempt.id)))


def document(services: Services, number: int) -> Document:
    with services.reading() as session:
        return session.get_one(Document, number)


def lines(services: Services) -> list[tuple[int, str]]:
    with services.reading() as session:
        rows = session.execute(
            text("SELECT page_no, text FROM v_lines ORDER BY document_id, page_no, line_no")
        )
        return [(row[0], row[1]) for row in rows]


def test_a_document_goes_from_the_folder_to_the_database(
    services: Services, draw: Draw, reader: Any
) -> None:
    taken = take(draw("mixed.pdf", TEXT, 3), services)
    assert (taken.state, taken.pages) == ("taken", 2)
    assert next_page_in(services) == 0
    assert read_pages(services) == 2
    assert lines(services) == [(1, TEXT), (2, "line 1"), (2, "line 2"), (2, "line 3")]
    assert [page.text_source for page in pages(services)] == ["text_layer", "ocr"]
    assert reader.pages == 1
    assert document(services, taken.document_id).state == "done"
    assert next_page_in(services) is None


def test_taking_in_and_reading_twice_is_the_same_as_once(services: Services, draw: Draw) -> None:
    path = draw("a.pdf", 2)
    first = take(path, services)
    read_pages(services)
    path.touch()  # another version with the same bytes
    again = take(path, services)
    assert (again.document_id, again.state) == (first.document_id, "known")
    assert read_pages(services) == 0
    assert lines(services) == [(1, "line 1"), (1, "line 2")]


def test_a_copy_adds_a_source_and_no_work(services: Services, draw: Draw, inbox: Path) -> None:
    path = draw("a.pdf", 2)
    copy = inbox / "copy of a.pdf"
    copy.write_bytes(path.read_bytes())
    assert take(path, services).document_id == take(copy, services).document_id
    assert read_pages(services) == 1


def test_pages_that_were_not_chosen_can_be_read_later(
    make_services: Callable[..., Services], draw: Draw
) -> None:
    path = draw("long.pdf", 1, 2, 3, 4)
    some = make_services(pages="2,4-9")
    assert take(path, some).pages == 2
    assert read_pages(some) == 2
    every = make_services()
    assert (take(path, every).state, take(path, every).pages) == ("taken", 4)
    assert read_pages(every) == 2
    assert [page.state for page in pages(every)] == ["done"] * 4


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.pdf", b"", "empty_file"),
        ("notes.txt", b"just text\n", "unsupported_type"),
        ("broken.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 8, "damaged_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_failed_document(
    services: Services, inbox: Path, name: str, content: bytes, code: str
) -> None:
    (inbox / name).write_bytes(content)
    taken = take(inbox / name, services)
    assert (taken.state, taken.error.code) == ("failed", code)
    stored = document(services, taken.document_id)
    assert (stored.state, stored.error_code) == ("failed", code)
    assert stored.error_advice


def test_a_protected_document_is_read_once_its_password_is_given(
    make_services: Callable[..., Services], draw: Draw
) -> None:
    path = draw(
        "secret.pdf", TEXT, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own"
    )
    without = make_services()
    assert take(path, without).error.code == "password_needed"
    given = make_services(passwords=("wrong", "open"))
    assert take(path, given).state == "taken"
    assert read_pages(given) == 1
    assert lines(given) == [(1, TEXT)]


def test_a_selection_that_leaves_no_page_is_said(
    make_services: Callable[..., Services], draw: Draw
) -> None:
    assert take(draw("a.pdf", 1), make_services(pages="7")).error.code == "no_pages"


def test_the_local_copy_is_fetched_again_when_it_is_gone(services: Services, draw: Draw) -> None:
    take(draw("a.pdf", 2), services)
    for copy in services.settings.spool_dir.rglob("*"):
        if copy.is_file():
            copy.unlink()
    assert read_pages(services) == 1
    assert lines(services) == [(1, "line 1"), (1, "line 2")]


def test_a_page_whose_file_was_replaced_meanwhile_is_quarantined(
    services: Services, draw: Draw
) -> None:
    path = draw("a.pdf", 2)
    take(path, services)
    for copy in services.settings.spool_dir.rglob("*"):
        if copy.is_file():
            copy.unlink()
    draw("a.pdf", 5)
    read_pages(services)
    (page,) = pages(services)
    assert (page.state, page.error_code) == ("quarantined", "source_missing")


def test_a_page_that_kills_the_sandbox_is_blamed_and_its_neighbours_are_read(
    services: Services, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(draw("a.pdf", 1, 2, 3), services)
    real = services.sandbox.page

    def page(path: Path, page_no: int, **rest: Any) -> Any:
        if page_no == 2:
            raise SandboxCrashed("signal 11")
        return real(path, page_no, **rest)

    monkeypatch.setattr(services.sandbox, "page", page)
    assert read_pages(services) == 3
    first, second, third = pages(services)
    assert (first.state, third.state) == ("done", "done")
    assert (second.state, second.blamed, second.error_code) == ("pending", 1, "sandbox_crashed")
    assert second.due_at > utc_now()
    wait = next_page_in(services)
    assert wait is not None
    assert 0 < wait <= 5


def test_a_fault_of_ours_on_one_page_does_not_stop_the_others(
    services: Services, draw: Draw, reader: Any
) -> None:
    take(draw("a.pdf", 1, 2), services)
    failures = iter([ZeroDivisionError("on the first page only")])

    def fail_once() -> None:
        for error in failures:
            raise error

    reader.before = fail_once
    assert read_pages(services) == 2
    assert [page.error_code for page in pages(services)] == ["internal_error", None]


def test_a_page_that_breaks_the_engine_is_blamed_and_the_networks_are_opened_anew(
    services: Services, draw: Draw, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(draw("a.pdf", 1, 2), services)
    opened: list[object] = []
    monkeypatch.setattr(Reader, "open", lambda *_: opened.append(reader) or reader)
    failures = iter([EngineFailed("openvino, (1, 3, 64, 64): no memory")])

    def fail_once() -> None:
        for error in failures:
            raise error

    reader.before = fail_once
    assert read_pages(services) == 2
    broken, whole = pages(services)
    assert (broken.error_code, broken.blamed, broken.state) == ("engine_failed", 1, "pending")
    assert (whole.state, len(opened)) == ("done", 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelMissing("none here"), "model_missing"),
        (NameError("name 'quads' is not defined"), "installation_broken"),
        (InstallationBroken("NameError in the sandbox"), "installation_broken"),
    ],
)
def test_what_every_page_would_meet_counts_against_none(
    make_services: Callable[..., Services], draw: Draw, reader: Any, error: Exception, code: str
) -> None:
    services = make_services()
    take(draw("a.pdf", 1, 2), services)

    def fail() -> None:
        raise error

    reader.before = fail
    with pytest.raises(EnvironmentFault) as caught:
        read_pages(services)
    assert (caught.value.code, caught.value.lasting) == (code, True)
    for page in pages(services):
        assert page.state == "pending"
        assert page.failures == page.blamed == page.lease_losses == 0
    reader.before = lambda: None
    assert read_pages(services) == 2


def test_no_page_is_begun_on_a_full_disk(
    make_services: Callable[..., Services], draw: Draw
) -> None:
    services = make_services(min_free_mb=2**40)
    take(draw("a.pdf", 1), services)
    with pytest.raises(EnvironmentFault, match="MiB are free"):
        read_pages(services)
    assert outcomes(services) == []


def test_a_database_that_is_full_while_a_page_is_stored_loses_nothing(
    services: Services, draw: Draw, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.drain._PATIENCE", (0.0,))
    take(draw("a.pdf", 9), services)
    read_pages(services)
    path = draw("b.pdf", *[9] * 8)
    take(path, services)

    def fill(session: Any) -> None:
        connection = session.connection().connection.driver_connection
        used = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {used}")

    with services.session.begin() as session:
        fill(session)
    with pytest.raises(EnvironmentFault, match="full"):
        read_pages(services)
    with services.session.begin() as session:
        session.connection().connection.driver_connection.execute("PRAGMA max_page_count = 100000")
        ledger.reap(session, now=utc_now() + timedelta(hours=1))
    with services.session.begin() as session:
        session.execute(text("UPDATE pages SET due_at = taken_in_at FROM documents"))
    read_pages(services)
    assert {page.state for page in pages(services)} == {"done"}
    assert all(page.failures == page.blamed == 0 for page in pages(services))


def test_a_result_that_comes_after_the_lease_is_lost_is_thrown_away(
    services: Services, draw: Draw, reader: Any
) -> None:
    take(draw("a.pdf", 1), services)

    def lose() -> None:
        with services.session.begin() as session:
            ledger.reap(session, now=utc_now() + timedelta(hours=1))

    reader.before = lose
    read_pages(services)
    assert outcomes(services) == ["lease_lost", "fenced"]
    assert lines(services) == []
    assert pages(services)[0].state == "pending"


def test_a_worker_that_is_told_to_stop_gives_back_what_it_has_not_begun(
    services: Services, draw: Draw, reader: Any
) -> None:
    take(draw("a.pdf", *[1] * 8), services)
    reader.before = services.stop.set
    assert read_pages(services) == 1
    states = [page.state for page in pages(services)]
    assert (states.count("done"), states.count("pending")) == (1, 7)
    assert "lease_lost" not in outcomes(services)


def test_a_worker_that_has_grown_ends_after_a_page_and_gives_the_others_back(
    make_services: Callable[..., Services], draw: Draw
) -> None:
    services = make_services(worker_memory_mb=1)  # any process is larger
    take(draw("a.pdf", *[1] * 6), services)
    assert read_pages(services) == 1
    assert sorted(page.state for page in pages(services)) == ["done"] + ["pending"] * 5
    assert read_pages(services) == 1


def test_a_lease_shorter_than_a_page_is_kept_alive(
    make_services: Callable[..., Services], draw: Draw, reader: Any
) -> None:
    services = make_services(lease_seconds=0.4)
    take(draw("a.pdf", 1), services)

    def be_slow() -> None:
        time.sleep(1.5)
        with services.session.begin() as session:
            assert ledger.reap(session) == 0

    reader.before = be_slow
    read_pages(services)
    assert outcomes(services) == ["ok"]


def test_a_worker_that_hangs_loses_its_page(
    make_services: Callable[..., Services], draw: Draw, reader: Any
) -> None:
    services = make_services(lease_seconds=0.4, page_seconds=0.3)
    take(draw("a.pdf", 1), services)
    reaped = []

    def hang() -> None:
        time.sleep(2.0)
        with services.session.begin() as session:
            reaped.append(ledger.reap(session))

    reader.before = hang
    read_pages(services)
    assert reaped == [1]
    assert outcomes(services) == ["lease_lost", "fenced"]


def test_a_killed_sandbox_process_costs_no_page(
    services: Services, draw: Draw, reader: Any
) -> None:
    take(draw("a.pdf", 1, 2, 3, 4), services)
    killed = []

    def kill_zygote() -> None:
        if not killed:
            children = psutil.Process().children()
            killed.extend(child for child in children if "zygote" in " ".join(child.cmdline()))
            killed[0].kill()

    reader.before = kill_zygote
    read_pages(services)
    assert [page.state for page in pages(services)] == ["done"] * 4
    assert outcomes(services) == ["ok"] * 4


def test_a_file_is_read_directly_without_a_database(
    services: Services, draw: Draw, tmp_path: Path
) -> None:
    first, second = read_file(draw("a.pdf", TEXT, 2), services)
    assert not isinstance(first, tuple)
    assert not isinstance(second, tuple)
    assert (first.result.text, first.text_source) == (TEXT, "text_layer")
    assert (second.result.text, second.text_source) == ("line 1\nline 2", "ocr")
    assert not (tmp_path / "pagemill.db").exists()
