"""A font that can name every character and shows none, for text that lies unseen over a picture.

Two-byte codes are the characters themselves (UTF-16), so that no page needs a table of its own;
characters beyond U+FFFF take codes of the surrogates, which stand for nothing else, in the order in
which they are met. All codes but the blank's lead to one glyph half an em wide, as high as the em,
with its foot on the baseline: a box of text is then the box that readers see. Its outline has
corners but no area, for some readers pass over characters without an extent.

PDF names: ISO 32000-1, 9.7.4 (CIDFont), 9.10.3 (ToUnicode). Font file: OpenType 1.9, `glyf`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

EM = 1000
WIDTH = 500
"""Of every glyph but the blank, thousandths of an em."""
BLANK_WIDTH = 100
BLANK = " "
NAME = "PagemillUnseen"
_FIRST_SPARE, _LAST_SPARE = 0xD800, 0xDFFF
_REPLACEMENT = 0xFFFD
_RANGES_A_BLOCK = 100
"""Of a CMap, at most (Adobe Technical Note 5014, 1.4)."""


@dataclass(slots=True)
class Codes:
    """The codes of one document's text."""

    beyond: dict[str, int] = field(default_factory=dict)
    """Codes of characters beyond U+FFFF."""
    rows: set[int] = field(default_factory=set)
    """First bytes of the codes that stand for themselves: only these need a line in ToUnicode."""

    def encoded(self, text: str) -> bytes:
        """Give two bytes a character; what has no code, such as control characters, is U+FFFD."""
        if text.isascii() and text.isprintable():  # what a page has most of, five times faster
            self.rows.add(0)
            return text.encode("utf-16-be")
        return b"".join(self._code(character).to_bytes(2, "big") for character in text)

    def _code(self, character: str) -> int:
        point = ord(character)
        if point > 0xFFFF:
            if character not in self.beyond and len(self.beyond) > _LAST_SPARE - _FIRST_SPARE:
                return self._code("\ufffd")
            return self.beyond.setdefault(character, _FIRST_SPARE + len(self.beyond))
        if point < 0x20 or _FIRST_SPARE <= point <= _LAST_SPARE:
            point = _REPLACEMENT
        self.rows.add(point >> 8)
        return point


@dataclass(frozen=True, slots=True)
class FontObject:
    """One of the font's objects: a dictionary in PDF's words, and its stream."""

    dictionary: str
    """Without /Length and /Filter; between the double angle brackets."""
    stream: bytes | None = None


OBJECTS = 6
"""How many objects the font takes."""


def font_objects(numbers: Sequence[int], codes: Codes) -> Iterator[FontObject]:
    """Yield the font's objects, for these numbers, the first of which is the font itself.

    Make them when all text is encoded: they say which codes stand for what.
    """
    _, child, descriptor, program, glyphs, unicode_ = (f"{number} 0 R" for number in numbers)
    yield FontObject(
        f"/Type/Font/Subtype/Type0/BaseFont/{NAME}/Encoding/Identity-H"
        f"/DescendantFonts[{child}]/ToUnicode {unicode_}"
    )
    yield FontObject(
        f"/Type/Font/Subtype/CIDFontType2/BaseFont/{NAME}"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        f"/DW {WIDTH}/W[{ord(BLANK)}[{BLANK_WIDTH}]]"
        f"/FontDescriptor {descriptor}/CIDToGIDMap {glyphs}"
    )
    # A descent of 0 counts as none given, and poppler takes a third of an em for it.
    yield FontObject(
        f"/Type/FontDescriptor/FontName/{NAME}/Flags 4/FontBBox[0 0 {WIDTH} {EM}]"
        f"/ItalicAngle 0/Ascent {EM}/Descent -1/CapHeight {EM}/StemV 80/FontFile2 {program}"
    )
    file = font_file()
    yield FontObject(f"/Length1 {len(file)}", file)
    yield FontObject("", _glyph_of_code())
    yield FontObject("", _to_unicode(codes))


def _glyph_of_code() -> bytes:
    """CIDToGIDMap: glyph 1 for every code, glyph 2 for the blank."""
    glyphs = bytearray(b"\0\1" * 0x10000)
    glyphs[2 * ord(BLANK) + 1] = 2
    return bytes(glyphs)


def font_file() -> bytes:
    """The TrueType file: .notdef, the glyph, the blank."""
    widths = (WIDTH, WIDTH, BLANK_WIDTH)
    # Two points of one contour: from corner to corner and back.
    outline = struct.pack(">hhhhhHH", 1, 0, 0, WIDTH, EM, 1, 0) + struct.pack(
        ">BBhhhh", 1, 1, 0, WIDTH, 0, EM
    )
    glyph = outline + b"\0" * (-len(outline) % 4)
    ends = (0, 0, len(glyph), len(glyph))
    magic, flags, created = 0x5F0F3CF5, 0b11, 0
    head = struct.pack(
        *(">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, magic, flags, EM, created, created),
        *(0, 0, WIDTH, EM, 0, 8, 2, 0, 0),
    )
    hhea = struct.pack(
        *(">IhhhHhhhhhhhhhhhH", 0x10000, EM, 0, 0, WIDTH, 0, 0, WIDTH, 1),
        *(0, 0, 0, 0, 0, 0, 0, len(widths)),
    )
    points, contours, zones = 2, 1, 2
    maxp = struct.pack(">IH13H", 0x10000, len(widths), points, contours, 0, 0, zones, *[0] * 8)
    return _sfnt(
        {
            "glyf": glyph,
            "head": head,
            "hhea": hhea,
            "hmtx": b"".join(struct.pack(">Hh", width, 0) for width in widths),
            "loca": struct.pack(f">{len(ends)}H", *(end // 2 for end in ends)),
            "maxp": maxp,
        }
    )


def _sfnt(tables: dict[str, bytes]) -> bytes:
    count = len(tables)
    power = count.bit_length() - 1
    directory = struct.pack(
        ">IHHHH", 0x10000, count, 16 << power, power, 16 * count - (16 << power)
    )
    offset, bodies = len(directory) + 16 * count, []
    for tag, table in tables.items():
        body = table + b"\0" * (-len(table) % 4)
        directory += tag.encode() + struct.pack(">III", _checksum(body), offset, len(table))
        offset += len(body)
        bodies.append(body)
    file = bytearray(directory + b"".join(bodies))
    adjustment = (0xB1B0AFBA - _checksum(bytes(file))) & 0xFFFFFFFF
    head_at = len(directory) + len(bodies[0])  # `head` is the second table
    struct.pack_into(">I", file, head_at + 8, adjustment)
    return bytes(file)


def _checksum(words: bytes) -> int:
    numbers: tuple[int, ...] = struct.unpack(f">{len(words) // 4}I", words)
    return sum(numbers) & 0xFFFFFFFF


def _to_unicode(codes: Codes) -> bytes:
    """The CMap from codes to UTF-16; a range never crosses a first byte, as readers expect."""
    ranges = [f"<{row:02X}00><{row:02X}FF><{row:02X}00>" for row in sorted(codes.rows)]
    singles = [
        f"<{code:04X}><{character.encode('utf-16-be').hex().upper()}>"
        for character, code in codes.beyond.items()
    ]
    blocks = "".join([*_blocks("bfrange", ranges), *_blocks("bfchar", singles)])
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n"
        "/CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n"
        f"{blocks}endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n"
    ).encode()


def _blocks(kind: str, rows: list[str]) -> Iterable[str]:
    for start in range(0, len(rows), _RANGES_A_BLOCK):
        block = rows[start : start + _RANGES_A_BLOCK]
        yield f"{len(block)} begin{kind}\n" + "\n".join(block) + f"\nend{kind}\n"
