"""Forms of a text in which two writings of the same are equal: to compare, not to store."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_INVISIBLE = dict.fromkeys(
    (
        *(0x00AD, 0x0640, 0xFEFF),  # soft hyphen, tatweel, byte order mark
        *range(0x200B, 0x2010),  # of zero width, joiners, direction marks
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2065),
        *range(0x2066, 0x206A),
    )
)
_SPACE = re.compile(r"\s+")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Han, kana, Thai, Lao, Khmer, Burmese: scripts written without spaces."""
_WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")
_DIVIDED = re.compile(r"(?<=[^\W\d_])-[ \t]*\r?\n[ \t]*(?=[^\W\d_])")
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʹʻʼ", "'"),
        **dict.fromkeys("“”„‟″«»「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−⸗⹀", "-"),
        **{"…": "...", "，": ",", "、": ",", "。": ".", "ſ": "s"},
    }
)


def normalised(text: str) -> str:
    """NFKC, without invisible characters, white space collapsed: still the same text."""
    visible = unicodedata.normalize("NFKC", text).translate(_INVISIBLE)
    return _SPACE.sub(" ", visible).strip()


def relaxed(text: str) -> str:
    """Letters, digits, marks and symbols only, without case."""
    return "".join(c for c in normalised(text).casefold() if not c.isspace() and not _is("P", c))


def loose(text: str) -> str:
    """Without case; quotes and dashes of one kind; words divided at a line end whole again."""
    plain = unicodedata.normalize("NFKC", text.replace("\u00ad\n", "")).translate(_PLAIN)
    return normalised(_DIVIDED.sub("", plain)).casefold()


def words(text: str) -> list[str]:
    """The words in order; a character of a script written without spaces is one."""
    return _WORD.findall(normalised(text))


def bag_of_words(text: str) -> Counter[str]:
    """How often each word occurs, in its loose form, the punctuation around it stripped."""
    stripped = map(_without_ends, _WORD.findall(loose(text)))
    return Counter(word for word in stripped if word)


def _without_ends(word: str) -> str:
    start, end = 0, len(word)
    while start < end and _is("PSZ", word[start]):
        start += 1
    while end > start and _is("PSZ", word[end - 1]):
        end -= 1
    return word[start:end]


def _is(categories: str, character: str) -> bool:
    return unicodedata.category(character)[0] in categories
