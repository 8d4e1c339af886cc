import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest

from workers.transports.message_store import MessageStore
from workers.transports.undecodable import MAX_READS

PRODUCERS, CONSUMERS, MESSAGES = 2, 3, 300


@pytest.fixture
def store(tmp_path: Path) -> MessageStore:
    return MessageStore(tmp_path / "broker" / "hints.db")


def test_messages_come_in_order_and_the_urgent_first(store: MessageStore) -> None:
    store.put("cpu", "a", "first")
    store.put("cpu", "b", "second")
    store.put("cpu", "c", "urgent", priority=5)
    store.put("gpu", "d", "elsewhere")
    taken = [store.take("cpu", 60) for _ in range(4)]
    assert [t and t.payload for t in taken] == ["urgent", "first", "second", None]


def test_a_message_in_hand_is_hidden_until_its_time_is_over(store: MessageStore) -> None:
    store.put("cpu", "a", "work")
    assert store.take("cpu", 0.05) is not None
    assert store.take("cpu", 0.05) is None
    time.sleep(0.1)
    again = store.take("cpu", 60)
    assert again is not None
    assert again.tag == "a"


def test_a_released_message_keeps_its_place(store: MessageStore) -> None:
    store.put("cpu", "a", "first")
    store.put("cpu", "b", "second")
    taken = store.take("cpu", 60)
    assert taken is not None
    store.release(taken.tag)
    again = store.take("cpu", 60)
    assert again is not None
    assert again.payload == "first"


def test_a_deleted_message_never_comes_back(store: MessageStore) -> None:
    store.put("cpu", "a", "work")
    taken = store.take("cpu", 0)
    assert taken is not None
    store.delete(taken.tag)
    assert store.take("cpu", 0) is None


def test_a_message_that_ends_all_its_readers_is_put_aside(store: MessageStore) -> None:
    store.put("cpu", "a", "poison")
    for _ in range(MAX_READS):
        assert store.take("cpu", 0) is not None  # visible again at once, as after a kill
    assert store.take("cpu", 0) is None
    ((queue, reason, payload),) = store.dead_letters()
    assert (queue, payload) == ("cpu", "poison")
    assert str(MAX_READS) in reason


def test_a_full_disk_is_an_operational_error_and_loses_nothing(store: MessageStore) -> None:
    store.put("cpu", "a", "small")
    store._db.execute(f"PRAGMA max_page_count = {_pages(store)}")
    with pytest.raises(sqlite3.OperationalError):
        store.put("cpu", "large", "x" * 100_000)
    store._db.execute("PRAGMA max_page_count = 100000")
    taken = store.take("cpu", 60)
    assert taken is not None
    assert taken.payload == "small"


def _pages(store: MessageStore) -> int:
    return int(store._db.execute("PRAGMA page_count").fetchone()[0])


def test_many_processes_lose_and_double_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hints.db"
    context = multiprocessing.get_context("fork")
    seen: multiprocessing.SimpleQueue[list[str]] = context.SimpleQueue()
    producers = [context.Process(target=_produce, args=(path, n)) for n in range(PRODUCERS)]
    consumers = [context.Process(target=_consume, args=(path, seen)) for _ in range(CONSUMERS)]
    for process in producers + consumers:
        process.start()
    taken = [tag for _ in consumers for tag in seen.get()]
    for process in producers + consumers:
        process.join()
    assert sorted(taken) == sorted(
        f"{producer} {number}" for producer in range(PRODUCERS) for number in range(MESSAGES)
    )


def _produce(path: Path, producer: int) -> None:
    store = MessageStore(path)
    for number in range(MESSAGES):
        store.put("cpu", f"{producer} {number}", "x" * 2000)


def _consume(path: Path, seen: "multiprocessing.SimpleQueue[list[str]]") -> None:
    store, tags, idle_since = MessageStore(path), [], time.monotonic()
    while time.monotonic() - idle_since < 3:
        if taken := store.take("cpu", 60):
            tags.append(taken.tag)
            store.delete(taken.tag)
            idle_since = time.monotonic()
        else:
            time.sleep(0.005)
    seen.put(tags)


def test_a_child_of_a_fork_has_its_own_connection(store: MessageStore) -> None:
    store.put("cpu", "a", "from the parent")
    context = multiprocessing.get_context("fork")
    child = context.Process(target=store.put, args=("cpu", "b", "from the child"))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert store.size("cpu") == 2
