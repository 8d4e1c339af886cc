"""Finds text, face and size for the lines of a page."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ocr_core.training.synthesis.faces import Face, FaceSet
from ocr_core.training.synthesis.galley import Galley
from ocr_core.training.synthesis.ink import Ink
from ocr_core.training.synthesis.looks import Look
from ocr_core.training.synthesis.texts import Fields, TextSource

TRIES = 8
"""Texts for one line that no face covers before the line is left out."""


@dataclass(slots=True)
class Typesetter:
    """Sets lines of one look; what it left out is counted."""

    texts: TextSource
    faces: FaceSet
    look: Look
    rng: np.random.Generator
    passed_over: list[str] = field(default_factory=list)
    """Texts that no face has."""
    _face: Face | None = None

    @property
    def values(self) -> TextSource:
        """Short values, for the fields of forms: the page's own texts if it must be those."""
        return self.texts if self.look.pen == "segments" else Fields()

    def new_face(self) -> None:
        """Let the next line choose another face; until then lines share one where they can."""
        self._face = None

    def set(
        self,
        width: float,
        size: int,
        *,
        texts: TextSource | None = None,
        longest: int | None = None,
        upright: bool = False,
    ) -> Ink | None:
        """A line of at most `width` pixels (vertical: high); None if none could be set."""
        source = texts or self.texts
        count = longest or max(1, int(width / (0.5 * size)))
        for _ in range(TRIES):
            text = source.piece(self.rng, count)
            face = self._covering(text)
            if face is None:
                self.passed_over.append(text)
                continue
            ink = self.look.set(text, face, size, self.rng, words=True, upright=upright)
            length = ink.size[1] if upright else ink.size[0]
            if length <= width:
                return ink
            count = max(1, min(count, len(text)) * int(width) // length)
            if count == 1 and length > width and len(text) == 1:
                return None
        return None

    def _covering(self, text: str) -> Face | None:
        """The face in use if it has the text, or else another one."""
        if not self.look.shows(text):
            return None
        if self._face is not None and self._face.covers(text):
            return self._face
        face = self.faces.choose(self.rng, text)
        self._face = self._face or face
        return face

    def column(
        self, galley: Galley, place: tuple[float, float], width: float, height: float, size: int
    ) -> float:
        """Fill a column with lines of running text; returns where it ends."""
        x, y = place
        spacing = self.rng.uniform(1.15, 1.7) * size
        indent = self.rng.choice([0.0, 1.5 * size])
        first = True
        while y + 1.4 * size < place[1] + height:
            offset = indent if first else 0.0
            ink = self.set(width - offset, size)
            first = self.rng.random() < 0.15
            if ink is not None:
                galley.put(ink, x + offset, y + ink.top)
            y += spacing + (0.6 * size if first else 0.0)
        return y
