"""Text as search sees it: the same tokens for what is stored and for what is asked.

Text is folded (NFKC, case, invisible characters dropped). Runs of letters, digits and their marks
are words. Scripts written without spaces have no words to be found, so a run of them gives every
pair of neighbouring characters and its last one: 增值税 is 增值 值税 税. Two characters are then
one token, more are a phrase, and a single one is a prefix. Blanks between them mean nothing: print
sets them for looks.

Lines are read as a flow: a word broken by a hyphen at the end of a line is whole again, and runs
of Chinese go on in the next line. The parts of a word that was put together follow at the end, set
apart, so that "well-known" broken after its own hyphen is found as "well known" too.

Both databases can split the tokens, joined by blanks, without knowing anything about Unicode.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from typing import NamedTuple

TOKENS_VERSION = 1
"""A change of the rules takes a new number and a migration that calls search.reindex."""
BREAK = "¶"
"""A token no query has: keeps apart what does not follow each other in the text."""
LONGEST_TOKEN = 100
"""Characters; longer ones are cut, in text and query alike (PostgreSQL takes 2046 bytes)."""

# Han, kana, bopomofo, hangul; Thai, Lao, Myanmar, Khmer: no spaces, or none between stems.
_UNSPACED = (
    "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"
    "\u3100-\u312f\u31a0-\u31bf\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
)
_HYPHENS = "-\u2010\u2e17"


class Token(NamedTuple):
    """A token and where it stands in the flow: `flow.text[start:end]`."""

    text: str
    start: int
    end: int


Place = tuple[int, int, int]
"""Index of a line, start and end in that line."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The lines of a page as one folded text."""

    text: str
    origin: Sequence[Place]
    """Where each character of `text` comes from."""
    joints: Sequence[int]
    """Where words broken by a hyphen were put together."""

    @property
    def tokens(self) -> Sequence[Token]:
        """All tokens, in their order."""
        found = list(_tokens(self.text))
        return [*found, *_parts(self.text, self.joints, found)]

    def matches(self, words: Sequence[str], *, prefix: bool) -> Iterator[tuple[Token, Token]]:
        """The first and the last token wherever `words` follow each other in `tokens`.

        With `prefix` the last of them need only start so. Looks only where the first one may be.
        """
        for start in self._starts(words[0]):
            found = list(islice(_tokens(self.text, start), len(words)))
            if found and found[0].start == start and _fits(found, words, prefix=prefix):
                yield found[0], found[-1]
        parts = self._parts_of_joints()
        for number in range(len(parts)):
            following = parts[number : number + len(words)]
            if _fits(following, words, prefix=prefix):
                yield following[0], following[-1]

    def _starts(self, word: str) -> Iterator[int]:
        """Where a token that starts with the word's first character may start."""
        character = word[0]
        start = self.text.find(character)
        while start >= 0:
            if not self._within_word(start):
                yield start
            start = self.text.find(character, start + 1)

    def _within_word(self, position: int) -> bool:
        """Whether a word began before this place and goes on over it."""
        if position == 0 or self.text[position - 1] in " \n":
            return False
        run = _characters().run.match(self.text, position - 1)
        return run is not None and run.lastgroup == "word" and run.end() > position

    def _parts_of_joints(self) -> Sequence[Token]:
        """The parts of words that were put together; of other words nothing is looked at."""
        found: list[Token] = []
        for joint in self.joints:
            # No word or run goes on over the end of a line, but for the joints themselves.
            start = self.text.rfind("\n", 0, joint) + 1
            end = self.text.find("\n", joint)
            if not found or found[-1].start < start:
                found += _tokens(self.text, start, len(self.text) if end < 0 else end)
        return list(_parts(self.text, self.joints, found))


def tokens(text: str) -> list[str]:
    """Return the tokens of one piece of text."""
    return page_tokens([text])


def page_tokens(lines: Sequence[str]) -> list[str]:
    """Return the tokens of a page, given its lines in reading order."""
    return [token.text for token in flow(lines).tokens]


def fold(text: str) -> str:
    """Fold what should not matter to a search: width, case, compatibility forms, invisibles."""
    visible = _characters().ignorable.sub("", text)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


def is_unspaced(character: str) -> bool:
    """Whether a (folded) character belongs to a script without spaces."""
    return _characters().unspaced.match(character) is not None


def flow(lines: Sequence[str]) -> Flow:
    """Join lines in reading order and find their tokens."""
    characters: list[str] = []
    origin: list[Place] = []
    joints: list[int] = []
    for number, line in enumerate(lines):
        folded, places = _folded(line.rstrip(), number)
        if folded:
            _join(characters, origin, joints, folded[0])
            characters += folded
            origin += places
    text = "".join(characters)
    return Flow(text, origin, joints)


def _join(characters: list[str], origin: list[Place], joints: list[int], following: str) -> None:
    """Prepare the end of the flow for a line that starts with `following`."""
    if not characters:
        return
    hyphen = characters[-1] in _HYPHENS and len(characters) > 1
    if hyphen and _is_letter(characters[-2]) and _is_letter(following):
        characters.pop()
        origin.pop()
        joints.append(len(characters))
    elif not (is_unspaced(characters[-1]) and is_unspaced(following)):
        characters.append("\n")
        origin.append(origin[-1])


def _is_letter(character: str) -> bool:
    return character.isalpha() or _is_mark(character)


def _fits(found: Sequence[Token], words: Sequence[str], *, prefix: bool) -> bool:
    if len(found) < len(words):
        return False
    *exact, ending = words
    final = found[len(exact)].text
    fits = final.startswith(ending) if prefix else final == ending
    return fits and all(token.text == word for token, word in zip(found, exact, strict=False))


def _tokens(text: str, start: int = 0, end: int = sys.maxsize) -> Iterator[Token]:
    for run in _characters().run.finditer(text, start, end):
        start, end = run.span()
        if run.lastgroup == "word":
            yield Token(run[0][:LONGEST_TOKEN], start, end)
            continue
        places = [position for position in range(start, end) if text[position] != " "]
        for first, second in pairwise(places):
            yield Token(text[first] + text[second], first, second + 1)
        yield Token(text[end - 1], end - 1, end)


def _parts(text: str, joints: Sequence[int], found: Sequence[Token]) -> Iterator[Token]:
    """Yield the parts of words put together at `joints`, each group after a BREAK."""
    starts = [token.start for token in found] if joints else []
    words = {found[bisect(starts, joint) - 1] for joint in joints}
    for word in sorted(words, key=lambda token: token.start):
        cuts = [word.start, *(joint for joint in joints if word.start < joint < word.end), word.end]
        if len(cuts) == 2:  # the joint fell between two scripts
            continue
        yield Token(BREAK, word.start, word.start)
        for start, end in pairwise(cuts):
            yield Token(text[start:end][:LONGEST_TOKEN], start, end)


def _folded(line: str, number: int) -> tuple[str, list[Place]]:
    """Return the folded characters of a line and the place of each."""
    plain = line.isascii()
    whole = line.lower() if plain else fold(line)
    if plain or (len(whole) == len(line) and _characters().joining.isdisjoint(line)):
        # Every character became one character, so that places are positions.
        return whole, [(number, position, position + 1) for position in range(len(line))]
    folded: list[str] = []
    places: list[Place] = []
    for cluster in _characters().cluster.finditer(line):
        part = fold(cluster[0])
        folded.append(part)
        places += [(number, cluster.start(), cluster.end())] * len(part)
    if line.endswith("\u00ad"):  # a soft hyphen at the end is one that was printed
        folded.append("-")
        places.append((number, len(line) - 1, len(line)))
    return "".join(folded), places


@dataclass(frozen=True, slots=True)
class _Characters:
    run: re.Pattern[str]
    """A word, or a run of a script without spaces."""
    cluster: re.Pattern[str]
    """What normalisation may change as one: a character and all that can compose with it."""
    joining: frozenset[str]
    """What is no cluster of its own."""
    ignorable: re.Pattern[str]
    unspaced: re.Pattern[str]


@cache
def _characters() -> _Characters:
    """Patterns over Unicode categories, which `re` does not know; made at first use (50 ms)."""
    # Between U+20000 and U+E0000 there is only Han.
    every = [chr(code) for code in (*range(0x20000), *range(0xE0000, 0xE0200))]
    ignorable = _class(filter(_is_ignorable, every))
    marks = _class(one for one in every if _is_mark(one) and not _is_ignorable(one))
    joining = frozenset(one for one in every if _is_ignorable(one) or _composes(one))
    return _Characters(
        run=re.compile(
            f"(?P<word>(?:[^\\W_{_UNSPACED}]|(?![{_UNSPACED}]){marks})+)"
            f"|[{_UNSPACED}](?: *[{_UNSPACED}])*"
        ),
        cluster=re.compile(f".{_class(sorted(joining))}*", re.DOTALL),
        joining=joining,
        ignorable=re.compile(f"{ignorable}+"),
        unspaced=re.compile(f"[{_UNSPACED}]"),
    )


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_ignorable(character: str) -> bool:
    """Format characters, variation selectors and tags."""
    selector = "\ufe00" <= character <= "\ufe0f" or character >= "\U000e0000"
    return selector or unicodedata.category(character) == "Cf"


def _composes(character: str) -> bool:
    """Whether normalisation may merge it with what comes before: marks and inner jamo."""
    changes = unicodedata.decomposition(character)
    first = unicodedata.normalize("NFKD", character)[0] if changes else character
    return _is_mark(first) or "\u1160" <= first <= "\u11ff"


def _class(characters: Iterable[str]) -> str:
    """Write characters as a class of a regular expression, neighbours as ranges."""
    ranges: list[list[int]] = []
    for code in map(ord, characters):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]"
