"""The operators of a PDF page's content, and how to take unseen text out of it.

Runs inside the sandbox child only. Syntax: ISO 32000-1, 7.2 to 7.3 and 7.8.2; text operators: 9.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_GAP = rb"\0\t\n\f\r "
_TOKEN = re.compile(
    rb"(?P<gap>[%(gap)s]+|%%[^\r\n]*)"
    rb"|(?P<string>\()|(?P<hex><[0-9A-Fa-f%(gap)s]*>)|(?P<bracket><<|>>|[\[\]{})>])"
    rb"|(?P<name>/[^%(gap)s()<>\[\]{}/%%]*)|(?P<number>[-+]*\.?[0-9][-+.0-9]*)"
    rb"|(?P<word>[^%(gap)s()<>\[\]{}/%%]+)" % {b"gap": _GAP}
)
_IN_STRING = re.compile(rb"\\.|[()]", re.DOTALL)
_IMAGE_END = re.compile(rb"[%(gap)s]EI(?=[%(gap)s]|$)" % {b"gap": _GAP})
_VALUES = {b"true", b"false", b"null"}
_HIDES_TEXT = re.compile(rb"\b3[%(gap)s]+Tr\b" % {b"gap": _GAP})
_UNSEEN = 3
"""Text render mode: neither filled nor stroked nor clipped to (9.3.6)."""
_PLACES = {b"Td", b"TD", b"Tm", b"T*", b"BT", b"ET"}
"""Operators after which it no longer matters how far text had got."""
_NEXT_LINE = {b"'": b"T*", b'"': b"T*"}
_SHOWS = {b"Tj", b"TJ", *_NEXT_LINE}


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with its operands."""

    name: bytes
    operands: tuple[bytes, ...]
    start: int
    """Where its first operand begins in the content."""
    end: int


def operators(content: bytes) -> Iterator[Operator]:
    """Yield the operators of a content stream; what is no PDF ends it early."""
    operands: list[bytes] = []
    at, start = 0, -1
    while at < len(content) and (token := _TOKEN.match(content, at)):
        kind, first, at = token.lastgroup, at, token.end()
        if kind == "gap":
            continue
        start = first if start < 0 else start
        if kind == "string":
            at = _string_end(content, at)
        if kind != "word" or token[0] in _VALUES:
            operands.append(content[first:at])
            continue
        if token[0] == b"ID":
            at = _image_end(content, at)
        yield Operator(token[0], tuple(operands), start, at)
        operands, start = [], -1


def hides_text(content: bytes) -> bool:
    """Whether it may hold unseen text; cheap, and never False if it does."""
    return _HIDES_TEXT.search(content) is not None


def without_unseen(content: bytes) -> bytes:
    """Take out the text that is shown unseen, and nothing else: not a byte of the rest changes.

    Unseen text that visible text follows on the same line stays, for it moves what follows.
    """
    sieve = _Sieve()
    for operator in operators(content):
        sieve.see(operator)
    sieve.settle()
    kept, at = [], 0
    for start, end, instead in sieve.cuts:
        kept += [content[at:start], instead]
        at = end
    return b"".join([*kept, content[at:]])


@dataclass(slots=True)
class _Sieve:
    """Follows the text render mode and notes what can be cut."""

    cuts: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Start and end of what goes, and what comes in its place."""
    mode: int = 0
    saved: list[int] = field(default_factory=list)
    waiting: list[tuple[int, int, bytes]] = field(default_factory=list)
    """What goes if no visible text follows before the next place is set."""

    def see(self, operator: Operator) -> None:
        """Take the next operator."""
        match operator.name:
            case b"q":
                self.saved.append(self.mode)
            case b"Q" if self.saved:
                self.mode = self.saved.pop()
            case b"Tr":
                self.mode = _mode(operator.operands)
            case name if name in _SHOWS:
                self._show(operator)
            case name if name in _PLACES:
                self.settle()

    def settle(self) -> None:
        """Cut what waits."""
        self.cuts += self.waiting
        self.waiting = []

    def _show(self, operator: Operator) -> None:
        if operator.name in _NEXT_LINE:
            self.settle()
        if self.mode == _UNSEEN:
            self.waiting.append((operator.start, operator.end, _instead(operator)))
        else:
            self.waiting = []


def _mode(operands: tuple[bytes, ...]) -> int:
    try:
        return int(operands[-1])
    except (ValueError, IndexError):
        return 0


def _instead(operator: Operator) -> bytes:
    """What an operator does besides showing text: the two quotes go to the next line first."""
    if operator.name == b'"' and len(operator.operands) >= 3:
        words, characters, _ = operator.operands[-3:]
        return b"%s Tw %s Tc T*" % (words, characters)
    return _NEXT_LINE.get(operator.name, b"")


def _string_end(content: bytes, at: int) -> int:
    """Where a string ends whose opening bracket is behind; brackets inside come in pairs."""
    depth = 1
    for found in _IN_STRING.finditer(content, at):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(content)


def _image_end(content: bytes, at: int) -> int:
    """Where an inline image ends (8.9.7): at an EI after which there is text again."""
    for found in _IMAGE_END.finditer(content, at):
        following = content[found.end() : found.end() + 16]
        if all(byte in b"\t\n\f\r" or 32 <= byte < 127 for byte in following):
            return found.end()
    return len(content)
