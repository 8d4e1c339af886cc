"""Labels that were left out: how many for which reason, and what the first ones were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

HARMLESS = frozenset({"ignored", "empty_text"})
"""Reasons that say what a label is, not what is wrong with it."""
EXAMPLES = 5
"""How many labels are named for each reason."""

REASONS = {
    "missing_image": "the image file is not there",
    "unreadable_image": "the image cannot be decoded",
    "no_regions": "a page has no label that can be used",
    "bad_polygon": "the region is no polygon: less than three points, not finite, or no area",
    "region_outside": "more than half of the region lies outside the image",
    "empty_text": "the label has no text",
    "ignored": "the label says that the region is illegible",
    "unknown_characters": "the text has characters that the charset lacks",
    "too_long": "the text has more characters than the network has steps for this line",
    "too_small": "the line is too small to be read",
    "too_wide": "the line is wider than the network is trained with",
    "teacher_unsure": "the teacher is not sure what an unlabelled line says",
    "no_font": "the text to draw has characters that no font has",
    "no_font_for_text": "no single font has the whole text, or the look cannot write it",
    "unusable_font": "the font file cannot be opened at any size",
    "bad_record": "a line of the label file has not the documented form",
}
"""Reasons used by the readers and tasks; others may be added freely."""


@dataclass(slots=True)
class Skips:
    """Counted reasons with the first examples of each."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, what: str, count: int = 1) -> None:
        """Count labels that were left out; `what` names one for a person."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        named = self.examples.setdefault(reason, [])
        if len(named) < EXAMPLES:
            named.append(what)

    def merge(self, other: Skips) -> None:
        """Add everything another count holds."""
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            named = self.examples.setdefault(reason, [])
            named += other.examples[reason][: EXAMPLES - len(named)]

    @property
    def total(self) -> int:
        """How many labels were left out."""
        return sum(self.counts.values())

    @property
    def faults(self) -> int:
        """How many of them because something is wrong with them."""
        return sum(count for reason, count in self.counts.items() if reason not in HARMLESS)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def lines(self) -> Iterator[str]:
        """What a person should know, a reason a line, its examples below it."""
        for reason, count in self.counts.items():
            yield f"{count} skipped, {reason}: {REASONS.get(reason, reason)}"
            yield from (f"  {what}" for what in self.examples[reason])
            if count > len(self.examples[reason]):
                yield f"  … and {count - len(self.examples[reason])} more"
