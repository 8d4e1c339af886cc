"""Text ↔ class ids of a CTC recogniser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BLANK = 0
"""Class of the CTC blank; the characters follow it."""


class Charset:
    """The characters a recogniser can write, in the order of its classes.

    Class 0 is the CTC blank, class i the i-th character counted from 1. Nothing is ever stripped:
    U+3000 and the ASCII space are characters like any other, and a lost one would shift the rest.
    """

    __slots__ = ("_ids", "_table", "characters")

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = tuple(characters)
        self._table = ("", *self.characters)
        self._ids = {character: i for i, character in enumerate(self.characters, start=1)}
        if any(len(character) != 1 for character in self.characters):
            raise ValueError("each entry of a charset must be exactly one code point")
        if len(self._ids) != len(self.characters):
            raise ValueError("a charset must not hold a character twice")

    @property
    def classes(self) -> int:
        """Outputs of the recogniser: the characters and the blank."""
        return len(self._table)

    def __contains__(self, character: str) -> bool:
        return character in self._ids

    def __getitem__(self, class_id: int) -> str:
        """The character of a class; the blank is the empty string."""
        if class_id < 0:
            raise IndexError(f"class ids are not negative, got {class_id}")
        return self._table[class_id]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Charset) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    def decode(self, ids: Iterable[int]) -> str:
        """Join the characters of class ids; blanks write nothing, repeats are kept."""
        return "".join(map(self.__getitem__, ids))

    def encode(self, text: str) -> list[int]:
        """Class ids of a text; raises ValueError naming the characters the charset lacks."""
        if missing := self.missing(text):
            raise ValueError(f"not in the charset: {missing!r}")
        return [self._ids[character] for character in text]

    def missing(self, text: str) -> str:
        """The characters of the text that cannot be written, each once, in order of appearance."""
        return "".join(dict.fromkeys(c for c in text if c not in self._ids))
