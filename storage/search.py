"""Full-text search: which pages hold some words, and where on the page they stand.

What a query means is in phrases.py, what counts as a word in tokens.py. Pages come best first
(matching.py); the lines of those pages are then searched for the places. The indexes of the two
databases are made in migrations/versions/v0003_search.py and asked in matching.py, nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, Text, cast, select, update
from sqlalchemy.orm import Session

from ocr_core.page import Box
from storage.matching import best_pages
from storage.phrases import Phrase, parse
from storage.schema import Line, Page, PageText, Source
from storage.tokens import TOKENS_VERSION, Flow, flow, is_unspaced, page_tokens
from storage.tokens import tokens as tokens

MARKS = ("[", "]")
_CONTEXT = 60
"""Characters shown on each side of a match."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line that holds a match or a part of one."""

    line_no: int
    """Reading order, from 1."""
    box: Box
    polygon: list[list[float]]
    """Four corners in pixels of the upright page image."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A page on which everything was found."""

    document_id: int
    source: str
    """Where the document was last seen."""
    page_no: int
    line_no: int
    """The line with most of the query; the others are in `places`."""
    box: Box
    polygon: list[list[float]]
    snippet: str
    """The line, and the next if the match goes on there, cut around the first marked match."""
    score: float
    """Higher is better; scores of different queries do not compare."""
    text: str
    """The line, unmarked."""
    places: tuple[Place, ...]
    """Every line with a match, in reading order."""


def search(
    session: Session,
    query: str,
    limit: int = 20,
    document: int | None = None,
    *,
    marks: tuple[str, str] = MARKS,
) -> list[Hit]:
    """Find pages, best first; matches in the snippets stand between `marks`."""
    phrases = parse(query)
    if not phrases or limit < 1:
        return []
    scores = best_pages(session, phrases, limit, document)
    lines = _lines(session, list(scores))
    pages = _pages(session, list(scores))
    return [
        _hit(pages[page_id], lines[page_id], score, phrases, marks)
        for page_id, score in scores.items()
        if page_id in lines
    ]


def reindex(session: Session, *, limit: int = 500) -> int:
    """Make tokens anew for up to `limit` pages that have those of older rules; returns how many."""
    stale = session.scalars(
        select(PageText.page_id).where(PageText.tokens_version != TOKENS_VERSION).limit(limit)
    ).all()
    lines = _lines(session, stale)
    for page_id in stale:
        texts = [line.text for line in lines.get(page_id, [])]
        session.execute(
            update(PageText)
            .where(PageText.page_id == page_id)
            .values(tokens=" ".join(page_tokens(texts)), tokens_version=TOKENS_VERSION)
        )
    return len(stale)


def _lines(session: Session, page_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    rows: Iterable[Row[Any]] = session.execute(
        select(
            *(Line.page_id, Line.line_no, Line.text, cast(Line.polygon, Text).label("polygon")),
            *(Line.x0, Line.y0, Line.x1, Line.y1),
        )
        .where(Line.page_id.in_(page_ids))
        .order_by(Line.page_id, Line.line_no)
    )
    return {page_id: list(group) for page_id, group in groupby(rows, itemgetter(0))}


def _pages(session: Session, page_ids: Sequence[int]) -> dict[int, Row[Any]]:
    newest = (
        select(Source.name)
        .where(Source.document_id == Page.document_id)
        .order_by(Source.last_seen_at.desc(), Source.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Page.id, Page.document_id, Page.page_no, newest.label("source")).where(
            Page.id.in_(page_ids)
        )
    )
    return {row.id: row for row in rows}


def _hit(
    page: Row[Any],
    lines: Sequence[Row[Any]],
    score: float,
    phrases: Sequence[Phrase],
    marks: tuple[str, str],
) -> Hit:
    texts = [line.text for line in lines]
    spans = sorted(set(_spans(flow(texts), phrases)))
    best = _best_line(spans)
    first, last = (
        lines[best],
        max((span.last for span in spans if span.first == best), default=best),
    )
    return Hit(
        document_id=page.document_id,
        source=page.source,
        page_no=page.page_no,
        line_no=first.line_no,
        box=(first.x0, first.y0, first.x1, first.y1),
        polygon=json.loads(first.polygon),
        snippet=_snippet(texts, best, last, spans, marks),
        score=score,
        text=first.text,
        places=tuple(_place(lines[number]) for number in _lines_of(spans)),
    )


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    """A match, from `start` in the line `first` to `end` in the line `last` (indexes)."""

    first: int
    start: int
    last: int
    end: int
    phrase: int

    def within(self, line: int, length: int) -> tuple[int, int]:
        """The part of it that lies in a line of this length."""
        start = self.start if line == self.first else 0
        return start, self.end if line == self.last else length


def _spans(page: Flow, phrases: Sequence[Phrase]) -> Iterator[_Span]:
    for number, phrase in enumerate(phrases):
        for token, ending in page.matches(phrase.tokens, prefix=phrase.prefix):
            one = phrase.prefix and is_unspaced(phrase.tokens[-1])
            end = ending.start + 1 if one else ending.end
            (first, begin, _), (last, _, stop) = page.origin[token.start], page.origin[end - 1]
            yield _Span(first, begin, last, stop, number)


def _best_line(spans: Sequence[_Span]) -> int:
    """The first of the lines in which most of the phrases start."""
    found: dict[int, set[int]] = {}
    for span in spans:
        found.setdefault(span.first, set()).add(span.phrase)
    return max(found, key=lambda line: (len(found[line]), -line), default=0)


def _lines_of(spans: Sequence[_Span]) -> list[int]:
    return sorted({line for span in spans for line in range(span.first, span.last + 1)})


def _place(line: Row[Any]) -> Place:
    return Place(line.line_no, (line.x0, line.y0, line.x1, line.y1), json.loads(line.polygon))


def _snippet(
    texts: Sequence[str], first: int, last: int, spans: Sequence[_Span], marks: tuple[str, str]
) -> str:
    shown, ranges = "", []
    for number in range(first, last + 1):
        offset = len(shown)
        shown += texts[number] + " "
        ranges += [
            (offset + start, offset + end)
            for span in spans
            if span.first <= number <= span.last
            for start, end in [span.within(number, len(texts[number]))]
        ]
    return _marked(shown[:-1], _merged(ranges), marks)


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _marked(shown: str, ranges: Sequence[tuple[int, int]], marks: tuple[str, str]) -> str:
    """Cut the text around the first range and put marks around all of them."""
    start, end = ranges[0] if ranges else (0, 0)
    left, right = max(0, start - _CONTEXT), min(len(shown), end + _CONTEXT)
    parts = ["…" if left else ""]
    for start, end in ranges:
        if end > left and start < right:
            parts += [shown[left:start], marks[0], shown[start : min(end, right)], marks[1]]
            left = min(end, right)
    return "".join([*parts, shown[left:right], "…" if right < len(shown) else ""])
