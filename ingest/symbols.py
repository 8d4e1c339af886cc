"""Characters for the private codes of symbol fonts, which have no Unicode of their own in a PDF.

Symbol and the Wingdings come with every office program; their glyphs sit at U+F000 plus the byte
of the font. Those that stand before list items, in check boxes and between words are given their
look-alikes; the others, mere pictures, become one object character, which is not text.
"""

from __future__ import annotations

from functools import cache

OBJECT = "\ufffc"

_WINGDINGS = {
    0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x75: "◆", 0x76: "❖", 0x77: "◆", 0x9F: "•",
    0xA1: "○", 0xA7: "▪", 0xA8: "□", 0xD8: "➢", 0xE0: "→", 0xE8: "➔", 0xF0: "⇨", 0xFB: "✗",
    0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip
_WINGDINGS_2 = {
    0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "●", 0x98: "●",
    0xA2: "■", 0xA3: "□", 0xA4: "□",
}  # fmt: skip
_SYMBOL = {
    0x2D: "−", 0xA2: "′", 0xA3: "≤", 0xA5: "∞", 0xAE: "→", 0xB0: "°", 0xB1: "±", 0xB3: "≥",
    0xB4: "×", 0xB7: "•", 0xB9: "≠", 0xBB: "≈", 0xBC: "…", 0xD7: "⋅", 0xD8: "¬",
}  # fmt: skip
_TABLES = {"wingdings2": _WINGDINGS_2, "wingdings": _WINGDINGS, "symbol": _SYMBOL}
_PICTURE_FONTS = ("wingdings", "webdings", "dingbat", "symbol")


@cache
def symbol(character: str, font: str) -> str:
    """Give a character of a font its look-alike, if the font is one of symbols; else itself."""
    code = ord(character) - 0xF000
    name = font.lower().replace(" ", "").replace("-", "")
    if not 0x20 <= code <= 0xFF or not any(kind in name for kind in _PICTURE_FONTS):
        return character
    table = next((table for kind, table in _TABLES.items() if kind in name), {})
    return table.get(code, OBJECT)
