"""A line as the parts it is written in: its words, and what stands between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ocr_core.page import Quad, TextLine, Word


@dataclass(frozen=True, slots=True)
class Part:
    """A word of a line, and whether a space comes before it."""

    text: str
    quad: Quad
    confidence: float
    spaced: bool


def parts_of(line: TextLine) -> tuple[Part, ...]:
    """Give the words of a line with the spaces of its text, which words do not have.

    A line whose words do not make up its text (or that has none) is one part. Blanks at the ends
    and between the words are one space each; a line of nothing else has no parts.
    """
    parts = tuple(_aligned(line.text, line.words))
    if parts and "".join(part.text for part in parts) == "".join(line.text.split()):
        return parts
    text = " ".join(line.text.split())
    return (Part(text, line.quad, line.confidence, spaced=False),) if text else ()


def _aligned(text: str, words: Sequence[Word]) -> Iterator[Part]:
    """Words as far as they follow each other in the text with only blanks between them."""
    at = 0
    for word in words:
        start = at + len(text[at:]) - len(text[at:].lstrip())
        clean = "".join(word.text.split())
        if not clean:
            continue
        if not text.startswith(clean, start):
            return
        yield Part(clean, word.quad, word.confidence, spaced=at > 0 and start > at)
        at = start + len(clean)
