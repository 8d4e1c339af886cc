"""Precision and recall, and counts that they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class Rates:
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float

    @classmethod
    def of(cls, hits: float, found: float, wanted: float) -> Self:
        """Rates of counts; nothing wanted and nothing found is perfect."""
        if not found and not wanted:
            return cls(1.0, 1.0)
        return cls(hits / found if found else 0.0, hits / wanted if wanted else 0.0)

    @property
    def hmean(self) -> float:
        """Harmonic mean, 0 if both rates are."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


class Counts:
    """Counts that add up field by field."""

    __slots__ = ()

    @classmethod
    def sum(cls, parts: Iterable[Self]) -> Self:
        """All counts together; those of nothing are 0."""
        total = cls()
        for part in parts:
            total = total + part
        return total

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))
