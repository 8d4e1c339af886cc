"""Which pages of a document are meant: "1,3-5"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r"\s*(\d+)?\s*(-)?\s*(\d+)?\s*")


@dataclass(frozen=True, slots=True)
class PageSelection:
    """Page numbers from 1, as ranges with both ends included; no range means every page."""

    ranges: tuple[tuple[int, int | None], ...] = ()
    """First and last page; None is the end of the document."""

    @classmethod
    def parse(cls, text: str | None) -> PageSelection:
        """Read "1,3-5,8-"; raises ValueError, which names the part that is wrong."""
        if text is None or not text.strip():
            return cls()
        return cls(tuple(_range(part) for part in text.split(",")))

    def numbers(self, page_count: int) -> list[int]:
        """The selected pages of a document of `page_count` pages, in order, each once."""
        if not self.ranges:
            return list(range(1, page_count + 1))
        chosen: set[int] = set()
        for first, last in self.ranges:
            chosen.update(range(first, min(last or page_count, page_count) + 1))
        return sorted(chosen)


def _range(part: str) -> tuple[int, int | None]:
    match = _PART.fullmatch(part)
    if match is None or not any(match.groups()) or (not match[1] and not match[3]):
        raise ValueError(f"{part.strip()!r} is no page or range of pages; write 1,3-5")
    first = int(match[1] or 1)
    last = None if match[2] and not match[3] else int(match[3] or first)
    if first < 1 or (last is not None and last < first):
        raise ValueError(f"{part.strip()!r}: pages count from 1 and ranges run upwards")
    return first, last
