"""How far the documents of a job are, by asking only for those that are not at rest."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.schema import Page

DOCUMENTS_A_QUERY = 500
SPEED_SECONDS = 30.0


class Tracker:
    """Counts the pages of some documents by state."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._open: dict[int, Counter[str]] = {}
        self._closed: dict[int, Counter[str]] = {}
        self._found_at_rest = 0
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def add(self, document_id: int) -> None:
        """Follow a document; one that is followed already is looked at again."""
        if document_id not in self._open and self._closed.pop(document_id, None) is None:
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
        self._open = {number: pages for number, pages in counted.items() if number not in closed}
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
        """Pages by state."""
        return sum((*self._open.values(), *self._closed.values()), Counter[str]())

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
        rows = session.execute(
            select(Page.document_id, Page.state, func.count())
            .where(Page.document_id.in_(ids[start : start + DOCUMENTS_A_QUERY]))
            .group_by(Page.document_id, Page.state)
        )
        yield from ((row[0], row[1], row[2]) for row in rows)
