"""Words that run from the right, as they are seen from left to right (UAX 9, one level)."""

from __future__ import annotations

import unicodedata

_RIGHT_TO_LEFT = {"R", "AL"}
_FROM_LEFT = {"L", "EN", "AN"}


def has_right_to_left(text: str) -> bool:
    """Whether there is any Arabic or Hebrew in a text."""
    return any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in text)


def as_seen(word: str) -> str:
    """Characters of a word from left to right: its runs turned round, its numbers and Latin not."""
    if not has_right_to_left(word):
        return word
    runs: list[list[str]] = []
    from_left = False
    for character in word:
        kind = unicodedata.bidirectional(character)
        if kind in _FROM_LEFT and from_left:
            runs[-1].append(character)
        else:
            runs.append([character])
        from_left = kind in _FROM_LEFT
    return "".join("".join(run) for run in reversed(runs))
