"""Plain text: the lines of each page in reading order, a form feed between pages.

A page without text, be it blank, quarantined or not read yet, is empty, so that page n of the
document is always what follows the (n - 1)th form feed of a whole export.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from storage.pages import PageRecord

PAGE_BREAK = "\f"


def render(pages: Iterable[PageRecord]) -> Iterator[str]:
    """Yield the pieces of the file; `pages` are in order."""
    for number, page in enumerate(pages):
        if number:
            yield PAGE_BREAK
        for line in page.lines:
            # OCR never gives a form feed, but a text layer may.
            yield line.text.replace(PAGE_BREAK, " ") + "\n"
