"""How far the documents of a job are, by asking only for those that are not at rest."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from storage.schema import Page

DOCUMENTS_A_QUERY = 500
SPEED_SECONDS = 30.0
_STATES = (
    select(Page.document_id, Page.state, func.count())
    .where(Page.document_id.in_(bindparam("ids", expanding=True)))
    .group_by(Page.document_id, Page.state)
)


class Tracker:
    """Counts the pages of some documents by state."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._open: dict[int, Counter[str]] = {}
        self._closed: dict[int, Counter[str]] = {}
        self._closed_pages = Counter[str]()
        """The sum of `_closed`."""
        self._pages = Counter[str]()
        """Of all of them, when they were last counted."""
        self._found_at_rest = 0
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def add(self, document_id: int) -> None:
        """Follow a document; one that is followed already is looked at again."""
        closed = self._closed.pop(document_id, None)
        if closed is not None:
            self._closed_pages.subtract(closed)
        elif document_id not in self._open:
            self._new.add(document_id)
        self._open.setdefault(document_id, Counter())

    def refresh(self, session: Session) -> None:
        """Count anew."""
        counted = {number: Counter[str]() for number in self._open}
        for document_id, state, pages in _count(session, list(self._open)):
            counted[document_id][state] = pages
        self._found_at_rest += sum(_resting(counted[number]) for number in self._new)
        self._new.clear()
        closed = {
            number: pages for number, pages in counted.items() if _resting(pages) == pages.total()
        }
        self._closed.update(closed)
        for resting in closed.values():
            self._closed_pages.update(resting)
        self._open = {number: pages for number, pages in counted.items() if number not in closed}
        self._pages = Counter(self._closed_pages)
        for waiting in self._open.values():
            self._pages.update(waiting)
        self._remember()

    @property
    def at_rest(self) -> bool:
        """Whether every page of every document is done or quarantined."""
        return not self._open

    @property
    def document_ids(self) -> tuple[int, ...]:
        """The documents, in the order of their numbers."""
        return tuple(sorted({*self._open, *self._closed}))

    def pages(self) -> Counter[str]:
        """Pages by state, as they were last counted."""
        return self._pages

    def speed(self) -> float:
        """Pages that came to rest in a second, over the last half minute; not those found so."""
        (began, before), (now, after) = self._history[0], self._history[-1]
        return (after - before) / (now - began) if now > began else 0.0

    def _remember(self) -> None:
        now = time.monotonic()
        self._history.append((now, _resting(self.pages()) - self._found_at_rest))
        while self._history[0][0] < now - SPEED_SECONDS:
            self._history.popleft()


def _resting(pages: Counter[str]) -> int:
    return pages["done"] + pages["quarantined"]


def _count(session: Session, ids: list[int]) -> Iterator[tuple[int, str, int]]:
    for start in range(0, len(ids), DOCUMENTS_A_QUERY):
        rows = session.execute(_STATES, {"ids": ids[start : start + DOCUMENTS_A_QUERY]})
        yield from ((row[0], row[1], row[2]) for row in rows)
