"""The supervisor with real worker processes and the real reader."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.buckets import FolderBucket
from storage.errors import ObjectMissing
from workers.faults import EnvironmentFault
from workers.services import Services
from workers.settings import Settings
from workers.sources import Source, find_sources
from workers.supervisor import Progress, Supervisor
from workers.tracking import Tracker
from workers.transports.message_store import MessageStore
from workers.worker_process import WorkerProcess

Draw = Callable[..., Path]
TEXT = "A true sentence that stands on the page."


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database_url=f"sqlite:///{tmp_path}/pagemill.db",
        cache_dir=tmp_path / "cache",
        jobs=1,
        min_free_mb=0,
        scan_seconds=0.1,
        page_seconds=200.0,
    )


def rows(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with Services(settings) as services, services.reading() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def test_a_job_ends_when_every_page_is_at_rest(settings: Settings, draw: Draw, inbox: Path) -> None:
    draw("a.pdf", TEXT, TEXT)
    draw("b.pdf", TEXT)
    (inbox / "c.txt").write_text("not a page")
    (inbox / ".hidden.pdf").write_text("not meant")
    seen: list[Progress] = []
    with Supervisor(settings) as supervisor:
        outcome = supervisor.run_until_rest(find_sources([str(inbox)]), seen.append)
    assert [taken.state for taken in outcome.taken_in] == ["taken", "taken", "failed"]
    assert not outcome.interrupted
    last = outcome.progress
    assert (last.files, last.files_failed, last.documents) == (3, 1, 2)
    assert (last.pages, last.pages_done, last.pages_waiting, last.taking_in) == (3, 3, 0, False)
    assert [p.pages_done for p in seen] == sorted(p.pages_done for p in seen)
    assert rows(settings, "SELECT state FROM documents ORDER BY id") == [
        ("done",),
        ("done",),
        ("failed",),
    ]


def test_a_job_ends_at_once_when_its_model_is_missing(
    settings: Settings, draw: Draw, inbox: Path
) -> None:
    draw("scan.pdf", 3)
    wrong = settings.model_copy(update={"recognizer": "no-such-model"})
    with Supervisor(wrong) as supervisor, pytest.raises(EnvironmentFault) as caught:
        supervisor.run_until_rest(find_sources([str(inbox)]))
    assert caught.value.code == "model_missing"
    assert rows(settings, "SELECT state, failures + blamed + lease_losses FROM pages") == [
        ("pending", 0)
    ]


def test_a_broker_that_forgets_everything_costs_no_page(
    settings: Settings, draw: Draw, inbox: Path
) -> None:
    for number in range(6):
        draw(f"{number}.pdf", TEXT)
    broker = MessageStore(Path(settings.celery_broker.partition("://")[2]))

    def forget(_: Progress) -> None:
        broker.purge("cpu")

    def only_some(progress: Progress) -> None:
        if progress.pages_done < 3:
            forget(progress)

    with Supervisor(settings) as supervisor:
        outcome = supervisor.run_until_rest(find_sources([str(inbox)]), only_some)
    broker.close()
    assert outcome.progress.pages_done == 6


def test_a_watch_takes_in_what_appears_and_ends_with_a_signal(
    settings: Settings, draw: Draw, inbox: Path
) -> None:
    bucket = FolderBucket(inbox)
    found: list[str] = []
    away = iter([ObjectMissing("not mounted yet")])

    def scan() -> Iterable[Source]:
        for error in away:
            raise error
        new = [source for source in find_sources([str(inbox)]) if source.object.key not in found]
        found.extend(source.object.key for source in new)
        return new

    def go_on(progress: Progress) -> None:
        if progress.pages_done == 1 and not (inbox / "second.pdf").exists():
            draw(".second.pdf", TEXT).rename(inbox / "second.pdf")  # whole, the moment it appears
        if progress.pages_done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    draw("first.pdf", TEXT)
    with Supervisor(settings) as supervisor:
        outcome = supervisor.watch(scan, go_on)
    assert bucket.stat("second.pdf").size > 0
    assert outcome.interrupted
    assert [Path(taken.uri).name for taken in outcome.taken_in] == ["first.pdf", "second.pdf"]
    assert outcome.progress.pages_done == 2


def test_a_worker_that_cannot_start_is_given_up_with_its_last_words(settings: Settings) -> None:
    worker = WorkerProcess(settings.model_copy(update={"broker_url": "nosuch://"}), lambda _: None)

    def keep_running() -> None:
        while True:
            worker.keep_running()
            time.sleep(0.05)

    with pytest.raises(EnvironmentFault, match="No such transport") as caught:
        keep_running()
    worker.kill()
    assert caught.value.lasting


@pytest.fixture
def session(settings: Settings, draw: Draw) -> Iterator[Any]:
    from workers.intake import take_in

    with Services(settings) as services:
        for path in (draw("a.pdf", TEXT, TEXT), draw("b.pdf", TEXT)):
            take_in(next(find_sources([str(path)])), services)
        with services.session() as session:
            yield session


def test_a_tracker_asks_only_for_what_is_not_at_rest(session: Any) -> None:
    tracker = Tracker()
    tracker.add(1)
    tracker.refresh(session)
    assert not tracker.at_rest
    session.execute(text("UPDATE pages SET state = 'done' WHERE document_id = 1"))
    tracker.add(2)
    tracker.refresh(session)
    assert tracker.pages() == {"done": 2, "pending": 1}
    session.execute(text("UPDATE pages SET state = 'quarantined' WHERE document_id = 2"))
    tracker.refresh(session)
    assert tracker.at_rest
    assert tracker.pages() == {"done": 2, "quarantined": 1}
    assert tracker.document_ids == (1, 2)


def test_the_speed_of_a_job_leaves_out_what_was_done_before_it(session: Any) -> None:
    session.execute(text("UPDATE pages SET state = 'done' WHERE document_id = 1"))
    tracker = Tracker()
    tracker.add(1)
    tracker.refresh(session)
    assert tracker.speed() == 0
    tracker.add(2)
    tracker.refresh(session)
    session.execute(text("UPDATE pages SET state = 'done' WHERE document_id = 2"))
    tracker.refresh(session)
    assert tracker.speed() > 0
