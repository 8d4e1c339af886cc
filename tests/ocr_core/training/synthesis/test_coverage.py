from __future__ import annotations

import io
import struct

import pymupdf
import pytest

from ocr_core.training.synthesis.coverage import characters_of, face_offsets


def _font(*subtables: tuple[int, int, bytes]) -> io.BytesIO:
    """A font that has nothing but a `cmap` with (platform, encoding, subtable)."""
    records, content = b"", b""
    for platform, encoding, table in subtables:
        where = 4 + 8 * len(subtables) + len(content)
        records += struct.pack(">HHI", platform, encoding, where)
        content += table
    cmap = struct.pack(">HH", 0, len(subtables)) + records + content
    directory = struct.pack(">4sHHHH", b"\0\1\0\0", 1, 16, 0, 0)
    return io.BytesIO(directory + struct.pack(">4sIII", b"cmap", 0, 28, len(cmap)) + cmap)


def _characters(*subtables: tuple[int, int, bytes]) -> set[str]:
    return set(map(chr, characters_of(_font(*subtables), 0)))


def test_the_characters_of_a_real_font_are_those_that_mupdf_finds() -> None:
    font = pymupdf.Font("cjk")
    assert characters_of(io.BytesIO(font.buffer), 0) == set(font.valid_codepoints())
    assert len(font.valid_codepoints()) > 30_000


def test_a_run_of_codes_leaves_out_what_has_the_empty_glyph() -> None:
    # format 6 from A: glyphs 5, 0, 7, so B is missing
    table = struct.pack(">HHHHH3H", 6, 16, 0, ord("A"), 3, 5, 0, 7)
    assert _characters((3, 1, table)) == {"A", "C"}


def test_segments_reach_their_glyphs_by_difference_or_by_table() -> None:
    # format 4, three segments: a-c by difference 1; x-y by the table (glyphs 0 and 9); the end
    ends, starts = (ord("c"), ord("y"), 0xFFFF), (ord("a"), ord("x"), 0xFFFF)
    deltas, offsets = (1, 0, 1), (0, 4, 0)
    table = struct.pack(
        ">7H3HH3H3H3H2H", 4, 44, 0, 6, 0, 0, 0, *ends, 0, *starts, *deltas, *offsets, 0, 9
    )
    assert _characters((3, 1, table)) == {"a", "b", "c", "y"}


def test_the_table_for_all_of_unicode_is_preferred() -> None:
    small = struct.pack(">HHHHHH", 6, 12, 0, ord("A"), 1, 5)
    large = struct.pack(">HHIII3I", 12, 0, 28, 0, 1, 0x1F600, 0x1F602, 8)
    assert _characters((3, 1, small), (3, 10, large)) == set("😀😁😂")


def test_what_is_no_font_or_ends_too_early_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        face_offsets(io.BytesIO(b"%PDF-1.7 and more"))
    whole = _font((3, 1, struct.pack(">HHHHHH", 6, 12, 0, ord("A"), 1, 5))).getvalue()
    for length in range(4, len(whole)):
        with pytest.raises(ValueError, match=r"ends too early"):
            characters_of(io.BytesIO(whole[:length]), 0)
