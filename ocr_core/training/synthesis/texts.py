"""What is written: pieces of given text, random characters, or values as forms have them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

_JOINERS = "\u200c\u200d"


class TextSource(Protocol):
    """Gives text to draw, a line at a time."""

    @property
    def characters(self) -> str:
        """Every character it may give, each once."""
        ...

    def piece(self, rng: np.random.Generator, longest: int) -> str:
        """Some text of 1 to `longest` characters, with no space at either end."""
        ...


def distinct(texts: Iterable[str]) -> str:
    """The characters of the texts, each once, sorted."""
    return "".join(sorted(set().union(*texts)))


def cleaned(line: str) -> str:
    """Text as it can be drawn: composed, without control and format characters, spaces single.

    Joiners stay: they decide how the letters beside them look.
    """
    composed = unicodedata.normalize("NFC", line)
    visible = (
        c if c in _JOINERS or unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn") else ""
        for c in composed
    )
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", "".join(visible)).strip()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Pieces of given lines, broken between words; anywhere in text that has no spaces."""

    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError("there is no text to draw")

    @classmethod
    def read(cls, path: Path) -> Corpus:
        """The text of a file or folder, as `read_text_lines` reads it."""
        return cls(read_text_lines(path))

    @property
    def characters(self) -> str:
        """Every character of the lines."""
        return distinct(self.lines)

    def piece(self, rng: np.random.Generator, longest: int) -> str:
        """A line, or some words of one if it is longer."""
        line = self.lines[int(rng.integers(len(self.lines)))]
        if len(line) <= longest:
            return line
        start = int(rng.integers(len(line) - longest + 1))
        start += line[start] == " "
        return _whole_words(line, start, start + longest)


def read_text_lines(path: Path) -> tuple[str, ...]:
    """The lines of a UTF-8 file, or of every .txt file under a folder, those with text.

    Raises ValueError if a file is not UTF-8 or nothing is written in any of them.
    """
    files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
    lines: list[str] = []
    for file in files:
        lines += filter(None, map(cleaned, _read(file).splitlines()))
    if not lines:
        raise ValueError(f"{path} has no text")
    return tuple(lines)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text: {error.reason} at {error.start}") from error


def _whole_words(line: str, start: int, end: int) -> str:
    """The words that lie wholly between two places of a line; if none does, what lies there."""
    cut = line[start:end]
    first = cut.find(" ") + 1 if start and line[start - 1] != " " else 0
    last = cut.rfind(" ") if end < len(line) and line[end] != " " else len(cut)
    words = cut[first:last].strip() if " " in cut else ""
    return words or _own_letters(cut.strip())


def _own_letters(cut: str) -> str:
    """A piece cut anywhere, without the marks of a letter that was left behind."""
    for place, character in enumerate(cut):
        if unicodedata.category(character) not in ("Mn", "Mc", "Me") and character not in _JOINERS:
            return cut[place:]
    return cut


@dataclass(frozen=True, slots=True)
class Words:
    """Given words in any order; now and then with a capital or a mark behind."""

    words: tuple[str, ...]
    marks: str = ""
    """What may stand behind a word; empty: nothing, and words stay as they are."""

    def __post_init__(self) -> None:
        if not self.words:
            raise ValueError("there are no words to draw")

    @property
    def characters(self) -> str:
        """Those of the words, their capitals and the marks."""
        capitals = (word.capitalize() for word in self.words) if self.marks else ()
        return distinct([*self.words, *capitals, self.marks, " "])

    def piece(self, rng: np.random.Generator, longest: int) -> str:
        """As many words as there is room for; if even one is too long, its beginning."""
        line = self._word(rng)
        while True:
            longer = f"{line} {self._word(rng)}"
            if len(longer) > longest:
                return line[:longest].strip()
            line = longer

    def _word(self, rng: np.random.Generator) -> str:
        word = self.words[int(rng.integers(len(self.words)))]
        if not self.marks:
            return word
        chance = rng.random(2)
        word = word.capitalize() if chance[0] < 0.2 else word
        mark = self.marks[int(rng.integers(len(self.marks)))] if chance[1] < 0.15 else ""
        return word + mark


@dataclass(frozen=True, slots=True)
class Groups:
    """Random characters, all of one line from the same group."""

    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.groups or not all(group.strip() for group in self.groups):
            raise ValueError("there are no characters to draw")

    @property
    def characters(self) -> str:
        """Every character of the groups."""
        return distinct(self.groups)

    def piece(self, rng: np.random.Generator, longest: int) -> str:
        """`longest` characters of one group, fewer where spaces would stand beside spaces."""
        group = self.groups[int(rng.integers(len(self.groups)))]
        text = "".join(group[i] for i in rng.integers(len(group), size=longest))
        if words := " ".join(text.split()):
            return words
        visible = "".join(group.split())
        return visible[int(rng.integers(len(visible)))]


def _filled(pattern: str, rng: np.random.Generator) -> str:
    """A pattern with random digits for `#`, non-zero ones for `+`, capitals for `@`."""
    digits = iter(rng.integers(10, size=len(pattern)).tolist())
    letters = iter(rng.integers(26, size=len(pattern)).tolist())
    fill: dict[str, Callable[[], str]] = {
        "#": lambda: str(next(digits)),
        "+": lambda: str(next(digits) % 9 + 1),
        "@": lambda: chr(ord("A") + next(letters)),
    }
    return "".join(fill[c]() if c in fill else c for c in pattern)


FIELD_PATTERNS = (
    *("+#.##", "+##.##", "+,###.##", "+.###,##", "+##,##", "€ +#,##", "$+##.##", "+###", "+#", "+"),
    *("#+/#+/20##", "20##-0+-1#", "1#.0+.20##", "0+ 20##", "1#:##", "0#:##:##", "+#%", "+.#%"),
    *("@@-####", "@##-###", "No. ####", "#########", "+## ### ###", "(0##) ###-####", "@@@ ###"),
    *("@.", "@@", "+x", "x +", "#+ kg", "+.## m", "+# mm", "-+.##", "+/+", "*** +#.## ***"),
)
"""Amounts, dates, times, shares, codes, telephone numbers, quantities."""
DISPLAY_PATTERNS = (
    *("+", "+#", "+##", "+###", "####", "+.#", "+.##", "+#.#", "+#.##", "+##.#", "0.##", "0.###"),
    *("-+.#", "-+#", "-+#.#", "1#:##", "0+:##", "0+:##:##", "+#####", "##.##.##", "+## +##"),
)
"""What scales, meters and clocks show."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Short values as forms, tables and displays have them, in ASCII."""

    patterns: tuple[str, ...] = FIELD_PATTERNS

    @property
    def characters(self) -> str:
        """Those of the patterns, digits and capitals where they ask for them."""
        given = set().union(*self.patterns)
        digits = "0123456789" if given & set("#+") else ""
        capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if "@" in given else ""
        return distinct([*(given - set("#+@")), digits, capitals])

    def piece(self, rng: np.random.Generator, longest: int) -> str:
        """One value; if all are longer, the beginning of one."""
        fitting = [p for p in self.patterns if len(p) <= longest] or list(self.patterns)
        pattern = fitting[int(rng.integers(len(fitting)))]
        return _filled(pattern, rng)[:longest].strip()


@dataclass(frozen=True, slots=True)
class Mixture:
    """One of several sources at a time."""

    sources: tuple[TextSource, ...]
    shares: tuple[float, ...]
    """How often each is used; they add up to 1."""

    @property
    def characters(self) -> str:
        """Those of all sources."""
        return distinct(source.characters for source in self.sources)

    def piece(self, rng: np.random.Generator, longest: int) -> str:
        """A piece of one of the sources."""
        return self.sources[int(rng.choice(len(self.sources), p=self.shares))].piece(rng, longest)


def mixed(sources: Sequence[tuple[TextSource, float]]) -> TextSource:
    """Several sources with weights; a single one is itself."""
    if len(sources) == 1:
        return sources[0][0]
    total = sum(weight for _, weight in sources)
    return Mixture(
        tuple(source for source, _ in sources), tuple(weight / total for _, weight in sources)
    )
