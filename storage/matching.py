"""Pages that hold phrases, best first: the same ones, in the same order, on both databases.

The index names the pages, the newest first; what they say decides their order. A page is the
better the more often it says the phrases and the shorter it is (the formula of BM25 without the
rarity of a word, which is the same for all pages: Robertson & Zaragoza 2009, section 3.4).

Reading pages takes time, so of more than MOST_RANKED pages the newest compete: a word on every
page of an archive tells nothing about its pages. PostgreSQL's index keeps no positions, so there
the tokens are looked through for phrases of several, newest page first, until enough are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from storage.phrases import Phrase, fts5_query, tsquery

MOST_RANKED = 256
_SATURATION = 1.2
"""k1 of BM25: how soon saying it once more is no gain."""
_LENGTH_SHARE = 0.75
"""b of BM25: how much of a page's length counts against it."""

_ON_SQLITE = """
SELECT rowid AS page_id, tokens FROM page_search
 WHERE page_search MATCH :query {narrowed} ORDER BY rowid DESC LIMIT :most
"""
_IN_DOCUMENT_ON_SQLITE = "AND rowid IN (SELECT id FROM pages WHERE document_id = :document)"
# Three steps the planner must not merge: the pages of the index, their order, and only then, page
# by page until there are enough, a look at the tokens.
_ON_POSTGRESQL = """
WITH candidates AS MATERIALIZED (
  SELECT page_id FROM page_texts
   WHERE (search @@ CAST(:query AS tsquery) OR search IS NULL) {narrowed})
SELECT newest.page_id, found.tokens
  FROM (SELECT page_id FROM candidates ORDER BY page_id DESC) AS newest
 CROSS JOIN LATERAL (
         SELECT tokens FROM page_texts
          WHERE page_texts.page_id = newest.page_id {verified} OFFSET 0) AS found
 ORDER BY newest.page_id DESC LIMIT :most
"""
_IN_DOCUMENT = "AND page_id IN (SELECT id FROM pages WHERE document_id = :document)"
# A full look at the table reads every page's tokens, which the planner takes for cheap.
_BY_INDEX = "SELECT set_config('enable_seqscan', :choice, true)"


def best_pages(
    session: Session, phrases: Sequence[Phrase], limit: int, document: int | None
) -> dict[int, float]:
    """Return up to `limit` pages, of one document or of all, with their scores, best first."""
    values = {"most": max(limit, MOST_RANKED), "document": document}
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    found = (_found_on_sqlite if on_sqlite else _found_on_postgresql)(session, phrases, values)
    ranked = sorted(_scores(found, phrases).items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:limit])


def _found_on_sqlite(
    session: Session, phrases: Sequence[Phrase], values: Mapping[str, Any]
) -> dict[int, str]:
    narrowed = "" if values["document"] is None else _IN_DOCUMENT_ON_SQLITE
    statement = text(_ON_SQLITE.format(narrowed=narrowed))
    rows = session.execute(statement, {**values, "query": fts5_query(phrases)})
    return {row.page_id: row.tokens for row in rows}


def _found_on_postgresql(
    session: Session, phrases: Sequence[Phrase], values: Mapping[str, Any]
) -> dict[int, str]:
    looked_for = {f"phrase{number}": _needle(one, " ") for number, one in enumerate(phrases)}
    statement = _ON_POSTGRESQL.format(
        narrowed="" if values["document"] is None else _IN_DOCUMENT,
        verified=" ".join(
            f"AND strpos(' ' || tokens || ' ', CAST(:{name} AS text)) > 0" for name in looked_for
        ),
    )
    session.execute(text(_BY_INDEX), {"choice": "off"})
    rows = session.execute(text(statement), {**values, **looked_for, "query": tsquery(phrases)})
    found = {row.page_id: row.tokens for row in rows}
    session.execute(text(_BY_INDEX), {"choice": "on"})
    return found


def _scores(found: Mapping[int, str], phrases: Sequence[Phrase]) -> dict[int, float]:
    # Two blanks between tokens, so that neighbours do not share one: " a  a " holds " a " twice.
    wide = {page_id: f" {tokens.replace(' ', '  ')} " for page_id, tokens in found.items()}
    lengths = {page_id: tokens.count("  ") + 1 for page_id, tokens in wide.items()}
    mean = sum(lengths.values()) / max(len(lengths), 1)
    needles = [_needle(phrase, "  ") for phrase in phrases]
    return {
        page_id: sum(_share(tokens.count(needle), lengths[page_id] / mean) for needle in needles)
        for page_id, tokens in wide.items()
    }


def _share(count: int, relative_length: float) -> float:
    """What a phrase that stands `count` times on a page adds to its score."""
    damping = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * relative_length)
    return count * (_SATURATION + 1) / (count + damping)


def _needle(phrase: Phrase, between: str) -> str:
    """The phrase as it stands in tokens joined (and framed by a blank) so."""
    return f" {between.join(phrase.tokens)}" + ("" if phrase.prefix else " ")
