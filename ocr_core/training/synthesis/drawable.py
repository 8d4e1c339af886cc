"""The text a person gives, less what cannot be drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis.confusable import confusable_groups
from ocr_core.training.synthesis.faces import FaceSet, needs_shaping, shaping
from ocr_core.training.synthesis.texts import (
    Corpus,
    Groups,
    TextSource,
    Words,
    cleaned,
    distinct,
    mixed,
    read_text_lines,
)

MARKS = ".,;:!?"
"""What may stand behind a word, where the fonts have it."""
_GROUPS = 200
"""Groups of characters that look alike, at most."""
_SHOWN = 60
"""Characters named in a message."""


@dataclass(frozen=True, slots=True)
class Given:
    """Text to draw; any part may be empty."""

    lines: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    characters: str = ""

    def __bool__(self) -> bool:
        return bool(self.lines or self.words or self.characters)


def given_text(texts: Sequence[Path], words: Sequence[Path], characters: str = "") -> Given:
    """Read what was given; raises ValueError if a file is not UTF-8 or has no text."""
    lines = [line for path in texts for line in read_text_lines(path)]
    listed = [word for path in words for line in read_text_lines(path) for word in line.split()]
    return Given(tuple(lines), tuple(dict.fromkeys(listed)), cleaned(characters))


def drawable_text(
    given: Given, faces: FaceSet, skips: Skips, *, confusable: bool = False
) -> TextSource | None:
    """What of it can be drawn with these faces, as one source; None if nothing was given.

    Lines and words with a character that no face has are left out and counted; characters asked
    for by name are refused. Raises CharactersNotDrawn.
    """
    if not given:
        return None
    wanted = distinct([*given.lines, *given.words, given.characters])
    lacking = _not_drawn(wanted, faces)
    if refused := "".join(c for c in given.characters if c in lacking):
        raise _refusal(refused)
    if confusable:
        kept = "".join(c for c in wanted if c not in lacking)
        return Groups(confusable_groups(kept, faces, groups=_GROUPS))
    lines, words = _without(given.lines, lacking, skips), _without(given.words, lacking, skips)
    if not (lines or words or given.characters):
        raise _refusal(lacking)
    marks = "" if _not_drawn(MARKS, faces) else MARKS
    parts: list[TextSource] = [Corpus(lines)] if lines else []
    parts += [Words(words, marks)] if words else []
    parts += [Groups((given.characters,))] if given.characters else []
    return mixed([(part, 1.0) for part in parts])


def _not_drawn(characters: str, faces: FaceSet) -> str:
    """Characters that no face has, or whose script cannot be set without raqm."""
    unshaped = "" if shaping() else "".join(c for c in characters if needs_shaping(c))
    return faces.lacking(characters) + unshaped


def _without(texts: tuple[str, ...], lacking: str, skips: Skips) -> tuple[str, ...]:
    unwanted = set(lacking)
    for text in texts:
        if found := unwanted & set(text):
            skips.add("no_font", f"{text[:_SHOWN]!r}: {''.join(sorted(found))}")
    return tuple(text for text in texts if not unwanted & set(text))


def _refusal(characters: str) -> CharactersNotDrawn:
    named = " ".join(f"{c} (U+{ord(c):04X})" for c in characters[:_SHOWN])
    without = "" if shaping() else "; PIL is built without raqm, so scripts that join are not set"
    return CharactersNotDrawn(named + without)
