"""What a search asks for: phrases, and how each database is asked for them.

A query is words, all of which must be on the page. `"Several words"` in quotes must follow each
other, `invoi*` finds every word that starts so; nothing else has a meaning, so every text is a
valid query. What counts as a word is in tokens.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from storage.tokens import flow, is_unspaced

MOST_TERMS = 64
"""Terms of a query that count; the rest is ignored."""
_TERM = re.compile(r'"([^"]*)"(\*?)|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens that follow each other; with `prefix` the last one need only start so."""

    tokens: tuple[str, ...]
    prefix: bool


def parse(query: str) -> list[Phrase]:
    """Read a query; text without letters and digits asks for nothing."""
    phrases = []
    for match in islice(_TERM.finditer(query), MOST_TERMS):
        quoted, starred, word = match.groups()
        phrase = _phrase(word or quoted or "", bool(starred) or (word or "").endswith("*"))
        if phrase is not None and phrase not in phrases:
            phrases.append(phrase)
    return phrases


def fts5_query(phrases: Sequence[Phrase]) -> str:
    """Write phrases for SQLite's FTS5; tokens hold no quotes, so nothing needs escaping."""
    return " AND ".join(
        f'"{" ".join(phrase.tokens)}"' + (" *" if phrase.prefix else "") for phrase in phrases
    )


def tsquery(phrases: Sequence[Phrase]) -> str:
    """Write phrases for PostgreSQL, as a tsquery: pages with all their tokens, in any order."""
    exact = {token for phrase in phrases for token in _exact(phrase)}
    starts = {phrase.tokens[-1] for phrase in phrases if phrase.prefix}
    return " & ".join(
        [f"'{token}'" for token in sorted(exact)] + [f"'{s}':*" for s in sorted(starts)]
    )


def _exact(phrase: Phrase) -> tuple[str, ...]:
    return phrase.tokens[:-1] if phrase.prefix else phrase.tokens


def _phrase(term: str, starred: bool) -> Phrase | None:
    words = [token.text for token in flow([term]).tokens]
    if not words:
        return None
    # The text may go on where the query ends: of a run without spaces only the pairs are sure, and
    # a single character is the start of a pair or the last of a run.
    unspaced = len(words[-1]) == 1 and is_unspaced(words[-1])
    if unspaced and len(words) > 1 and len(words[-2]) == 2 and is_unspaced(words[-2][0]):
        return Phrase(tuple(words[:-1]), prefix=False)
    return Phrase(tuple(words), prefix=starred or unspaced)
