"""The file of the embedded broker: messages that come back unless they are deleted."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from workers.transports.undecodable import MAX_READS

BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
  tag TEXT PRIMARY KEY, queue TEXT NOT NULL, priority INTEGER NOT NULL, sent INTEGER NOT NULL,
  visible_at REAL NOT NULL, reads INTEGER NOT NULL, payload TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_in_order ON messages (queue, priority DESC, sent);
CREATE TABLE IF NOT EXISTS dead_letters (
  tag TEXT PRIMARY KEY, queue TEXT NOT NULL, reason TEXT NOT NULL, buried_at REAL NOT NULL,
  payload TEXT NOT NULL
) WITHOUT ROWID;
"""
_TAKE = """
UPDATE messages SET visible_at = :until, reads = reads + 1 WHERE tag = (
  SELECT tag FROM messages WHERE queue = :queue AND visible_at <= :now
  ORDER BY priority DESC, sent LIMIT 1)
RETURNING tag, payload, reads
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message in hand; it becomes visible to others again when its time is over."""

    tag: str
    payload: str


class MessageStore:
    """Messages by queue, shared by processes; each statement is a transaction of its own.

    Every method may raise sqlite3.OperationalError (disk full, file away).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: dict[int, sqlite3.Connection] = {}

    def put(self, queue: str, tag: str, payload: str, priority: int = 0) -> None:
        """Append a message; a tag that is there already changes nothing."""
        self._db.execute(
            "INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, 0, 0, ?)",
            (tag, queue, priority, time.time_ns(), payload),
        )

    def take(self, queue: str, seconds: float) -> Taken | None:
        """The first visible message, invisible to others for `seconds`; None if there is none.

        One that was taken too often is buried instead.
        """
        while self.size(queue):  # a read first: an idle worker takes no write lock
            values = {"queue": queue, "now": time.time(), "until": time.time() + seconds}
            rows = self._db.execute(_TAKE, values).fetchall()
            if not rows:
                return None
            tag, payload, reads = rows[0]
            if reads <= MAX_READS:
                return Taken(tag, payload)
            self.bury(tag, f"taken {MAX_READS} times without an end")
        return None

    def delete(self, tag: str) -> None:
        """Forget a message: it was dealt with."""
        self._db.execute("DELETE FROM messages WHERE tag = ?", (tag,))

    def release(self, tag: str) -> None:
        """Make a message visible again, at its old place."""
        self._db.execute(
            "UPDATE messages SET visible_at = 0, reads = reads - 1 WHERE tag = ?", (tag,)
        )

    def bury(self, tag: str, reason: str) -> None:
        """Move a message to the dead letters, where a person can look at it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT OR REPLACE INTO dead_letters "
                "SELECT tag, queue, ?, ?, payload FROM messages WHERE tag = ?",
                (reason, time.time(), tag),
            )
            self.delete(tag)
        except sqlite3.Error:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def size(self, queue: str) -> int:
        """Messages that wait, those in hand not counted."""
        query = "SELECT count(*) FROM messages WHERE queue = ? AND visible_at <= ?"
        return int(self._db.execute(query, (queue, time.time())).fetchone()[0])

    def purge(self, queue: str) -> int:
        """Delete the messages that wait; how many."""
        return self._db.execute("DELETE FROM messages WHERE queue = ?", (queue,)).rowcount

    def dead_letters(self) -> list[tuple[str, str, str]]:
        """Queue, reason and payload of what was put aside, oldest first."""
        query = "SELECT queue, reason, payload FROM dead_letters ORDER BY buried_at"
        return self._db.execute(query).fetchall()

    def close(self) -> None:
        """Close this process's connection; the next call opens one again."""
        if connection := self._connections.pop(os.getpid(), None):
            connection.close()

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection of this process; one inherited through a fork is kept, never touched."""
        pid = os.getpid()
        if pid not in self._connections:
            self._connections[pid] = _open(self.path)
        return self._connections[pid]


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")  # a lost message costs a second, no page
    with closing(
        connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'dead_letters'")
    ) as c:
        ready = c.fetchone()
    if not ready:
        connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Several processes may open a new file at once; this switch does not wait for the others."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
