"""Whether characters can be what a page shows: broken text layers look like no language at all.

A text layer is garbage when its font maps glyphs to the wrong characters. Four kinds occur:
glyphs without any character, mojibake (a byte encoding read as another), Latin letters exchanged
for each other, and ideographs taken at random from the whole of Unicode. Each has a test that
real text of any language passes; short samples are not judged beyond the first.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

_UNMAPPED = frozenset({"Cc", "Cn", "Co", "Cs"})
_UNMAPPED_SHARE = 0.1
_SAMPLE = 30
"""Characters of a kind below which nothing is said about them."""
_LATIN_SAMPLE = 80
_LATIN_DOUBT = {80: 1.18, 150: 1.25, 300: 1.33}
"""Least sum of likeness and alternation of a sample of so many letters."""
_ACCENT_SHARE = 0.45
_COMMON_SHARE = 0.85
_CHANGE_SHARE = 0.25

# Per cent of each letter in running text, rounded, accents dropped. Only the outline matters.
# Latin is a mean of twelve European languages and Indonesian.
_LATIN = dict(zip("abcdefghijklmnopqrstuvwxyz", (
    8.9, 1.5, 3.2, 3.8, 12.0, 1.3, 1.6, 2.6, 7.6, 0.7, 1.4, 4.3, 2.9,
    7.0, 6.0, 2.5, 0.5, 6.6, 6.5, 6.4, 4.2, 1.5, 0.9, 0.2, 1.2, 1.0,
), strict=True))  # fmt: skip
_CYRILLIC = dict(zip("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфіъ", (
    10.0, 8.5, 8.5, 7.5, 6.5, 6.0, 5.0, 4.7, 4.5, 4.0, 3.5, 3.0, 3.0, 2.8, 2.7, 1.7, 1.5,
    1.5, 1.7, 1.7, 1.6, 1.3, 1.2, 1.0, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3, 1.5, 0.5,
), strict=True))  # fmt: skip
_GREEK = dict(zip("αοιετσνηυρπκμλωδγχθφβξζψ", (
    11.0, 9.5, 9.0, 8.5, 8.0, 7.8, 7.0, 5.5, 4.5, 4.5, 4.0, 4.0,
    3.5, 3.0, 2.8, 1.8, 1.7, 1.2, 1.3, 0.9, 0.7, 0.4, 0.3, 0.2,
), strict=True))  # fmt: skip
_ARABIC = dict(zip("اليمونرتبهةدعسفقكحجشصطخذضثزىغءظگچپ", (
    15.3, 11.0, 8.4, 6.3, 6.2, 6.0, 5.5, 4.5, 4.0, 4.5, 2.0, 3.5, 3.0, 3.0, 2.5, 2.2, 2.5, 1.8,
    1.5, 1.5, 1.0, 1.0, 0.9, 0.7, 0.7, 0.6, 0.8, 0.8, 0.5, 0.5, 0.3, 0.5, 0.2, 0.6,
), strict=True))  # fmt: skip
# Least cosine with real text: 0.81 in any 200 letters tried; text with letters exchanged 0.7.
_ALPHABETS = ((_CYRILLIC, 0.7), (_GREEK, 0.75), (_ARABIC, 0.7))
_ARABIC_VARIANTS = str.maketrans("ییکۀہھ", "ييكههه")
_VOWELS = frozenset("aeiouy")
_WORD = re.compile(r"[^\W\d_]{2,}")


def preload() -> None:
    """Make the sets of everyday characters, before a process is forked."""
    _common_han()
    _common_hangul()


@cache
def is_unmapped(character: str) -> bool:
    """Whether a character says nothing: unknown, private, unassigned or a control code."""
    if character == "\ufffd":
        return True
    return unicodedata.category(character) in _UNMAPPED and not character.isspace()


def is_garbage(text: str) -> bool:
    """Whether a text, best all of one font, cannot be what is shown."""
    characters = [character for character in text if not character.isspace()]
    if not characters:
        return False
    unmapped = sum(map(is_unmapped, characters))
    if unmapped > 1 and unmapped > _UNMAPPED_SHARE * len(characters):
        return True
    tests = (
        _is_mojibake,
        _is_exchanged_latin,
        _is_exchanged_alphabet,
        _is_random_han,
        _is_random_hangul,
        _mixes_scripts,
    )
    return any(test(text) for test in tests)


def _is_mojibake(text: str) -> bool:
    """Bytes of another encoding read as Latin-1: nearly every letter has an accent.

    Even Vietnamese, of whose letters a third carry marks, has few of them in Latin-1.
    """
    latin = [character for character in text if _script(character) == "LATIN"]
    accented = sum("\u00c0" <= character <= "\u00ff" for character in latin)
    return len(latin) >= _SAMPLE and accented > _ACCENT_SHARE * len(latin)


def _is_exchanged_latin(text: str) -> bool:
    """Letters exchanged for each other: wrong frequencies, and no change of vowel and consonant.

    Two numbers are added, each near 1 at best: the cosine between the sample's letter frequencies
    and the usual ones, and the share of letter pairs that change between vowel and consonant.
    Real text of 14 languages has 1.24 and more, mostly 1.6; under a random exchange the sum is
    about 1.1. Each word counts once, so that a page of equal addresses or labels is no sample.
    """
    words = {word for word in _WORD.findall(_without_accents(text)) if word.isascii()}
    letters = Counter("".join(words))
    count = letters.total()
    if count < _LATIN_SAMPLE or count < 0.4 * sum(map(str.isalpha, text)):
        return False
    pairs = [pair for word in words for pair in pairwise(word)]
    changes = sum((a in _VOWELS) != (b in _VOWELS) for a, b in pairs)
    likeness = _cosine(letters, _LATIN) + changes / max(len(pairs), 1)
    return likeness < max(least for size, least in _LATIN_DOUBT.items() if count >= size)


def _is_exchanged_alphabet(text: str) -> bool:
    """The same for alphabets whose vowels are not told apart here: by frequencies alone."""
    words = set(_WORD.findall(_without_accents(text).translate(_ARABIC_VARIANTS)))
    plain = Counter("".join(words))
    return any(_is_exchanged(plain, usual, least) for usual, least in _ALPHABETS)


def _is_exchanged(letters: Counter[str], usual: dict[str, float], least: float) -> bool:
    counted = Counter({letter: letters[letter] for letter in usual})
    return counted.total() >= _LATIN_SAMPLE and _cosine(counted, usual) < least


def _cosine(letters: Counter[str], usual: dict[str, float]) -> float:
    shared = sum(letters[letter] * often for letter, often in usual.items())
    return shared / (math.hypot(*letters.values()) * math.hypot(*usual.values()) or 1.0)


def _is_random_han(text: str) -> bool:
    """Ideographs from outside the everyday sets of China, Taiwan and Japan."""
    return _is_uncommon([c for c in text if "\u3400" <= c <= "\u9fff"], _common_han())


def _is_random_hangul(text: str) -> bool:
    """Syllables of which Korean has no use: it writes 2 350 of the 11 172 possible ones."""
    return _is_uncommon([c for c in text if "\uac00" <= c <= "\ud7a3"], _common_hangul())


def _is_uncommon(characters: list[str], common: frozenset[str]) -> bool:
    known = sum(character in common for character in characters)
    return len(characters) >= _SAMPLE and known < _COMMON_SHARE * len(characters)


def _mixes_scripts(text: str) -> bool:
    """Words in which the alphabet changes again and again.

    A change here and there is usual where spaces are missing, as between Arabic and Latin. Greek
    is left out, for formulas mix it in.
    """
    changes = pairs = 0
    for word in _WORD.findall(text):
        scripts = [script for script in map(_script, word) if script not in ("", "CJK", "GREEK")]
        changes += sum(one != other for one, other in pairwise(scripts))
        pairs += len(scripts) - 1 if scripts else 0
    return pairs >= _SAMPLE and changes > _CHANGE_SHARE * pairs


@cache
def _script(character: str) -> str:
    """First word of a letter's Unicode name: its script, with all of East Asia as one."""
    name = unicodedata.name(character, "")
    script = (
        name.replace("-", " ").partition(" ")[0]
        if unicodedata.category(character).startswith("L")
        else ""
    )
    if script in ("HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "HALFWIDTH"):
        return "CJK"
    return "" if script in ("FULLWIDTH", "MODIFIER", "FEMININE", "MASCULINE", "MICRO") else script


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@cache
def _common_han() -> frozenset[str]:
    """First levels of GB 2312, Big5 and JIS X 0208: the ideographs of everyday text."""
    simplified = _decoded("gb2312", range(0xB0, 0xD8), range(0xA1, 0xFF))
    traditional = _decoded("big5", range(0xA4, 0xC7), [*range(0x40, 0x7F), *range(0xA1, 0xFF)])
    japanese = _decoded("shift_jis", range(0x88, 0x99), [*range(0x40, 0x7F), *range(0x80, 0xFD)])
    return frozenset((*simplified, *traditional, *japanese))


@cache
def _common_hangul() -> frozenset[str]:
    """The syllables of KS X 1001."""
    return frozenset(_decoded("euc_kr", range(0xB0, 0xC9), range(0xA1, 0xFF)))


def _decoded(codec: str, rows: range, cells: range | list[int]) -> Iterator[str]:
    for row in rows:
        for cell in cells:
            yield from bytes((row, cell)).decode(codec, "ignore")
