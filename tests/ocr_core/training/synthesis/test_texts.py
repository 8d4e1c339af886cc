from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocr_core.training.errors import CharactersNotDrawn
from ocr_core.training.skips import Skips
from ocr_core.training.synthesis.confusable import confusable_groups, confusable_pairs
from ocr_core.training.synthesis.drawable import Given, drawable_text, given_text
from ocr_core.training.synthesis.faces import Face, FaceSet
from ocr_core.training.synthesis.texts import (
    DISPLAY_PATTERNS,
    Corpus,
    Fields,
    Groups,
    TextSource,
    Words,
    cleaned,
    mixed,
)

LINE = "The county record office has begun to copy the tables"


def _pieces(source: TextSource, longest: int, count: int = 200) -> set[str]:
    rng = np.random.default_rng(3)
    return {source.piece(rng, longest) for _ in range(count)}


def test_pieces_of_a_line_are_whole_words_of_it() -> None:
    pieces = _pieces(Corpus((LINE,)), 20)
    assert len(pieces) > 10
    for piece in pieces:
        assert 0 < len(piece) <= 20
        assert f" {piece} " in f" {LINE} "


def test_chinese_is_broken_anywhere_but_a_mark_never_leaves_its_letter() -> None:
    assert _pieces(Corpus(("台北市政府公告",)), 3) >= {"台北市", "北市政", "府公告"}
    # a with a dot below and a macron has no single code point: the marks stay behind it
    assert all(piece[0] == "a" for piece in _pieces(Corpus(("a\u0323\u0304" * 8,)), 4))


def test_words_fill_the_line_and_one_that_is_too_long_is_cut() -> None:
    pieces = _pieces(Words(("one", "three", "incomprehensible")), 9)
    assert "incompreh" in pieces
    assert "one three" in pieces
    assert max(map(len, pieces)) <= 9


@pytest.mark.parametrize(
    "source",
    [
        Corpus(("Größe, café", "naïve")),
        Words(("one", "two"), marks=".,"),
        Groups(("己已", "未末 ")),
        Fields(),
        Fields(DISPLAY_PATTERNS),
        mixed([(Fields(), 1.0), (Groups(("ab",)), 3.0)]),
    ],
)
def test_a_source_gives_only_characters_it_names(source: TextSource) -> None:
    pieces = _pieces(source, 12)
    assert set("".join(pieces)) <= set(source.characters)
    assert all(piece == piece.strip() and piece for piece in pieces)


def test_characters_of_a_line_are_of_one_group() -> None:
    assert _pieces(Groups(("己已", "未末")), 2) == {
        *("己己", "己已", "已己", "已已"),
        *("未未", "未末", "末未", "末末"),
    }


def test_text_is_cleaned_of_what_nobody_sees() -> None:
    assert cleaned("\ufeffe\u0301\t  x\u00ad\u200b\ny ") == "é x y"
    assert cleaned("می\u200cخواهم") == "می\u200cخواهم"


def test_text_comes_from_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n\nthree\n", encoding="utf-8-sig")
    (tmp_path / "words").write_text("four\nfive four", encoding="utf-8")
    given = given_text([tmp_path], [tmp_path / "words"], "x")
    assert given == Given(("one two", "three"), ("four", "five"), "x")
    (tmp_path / "b.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"b\.txt is not UTF-8"):
        given_text([tmp_path], [])


def test_lines_no_font_can_draw_are_left_out_and_named(latin_faces: FaceSet) -> None:
    skips = Skips()
    source = drawable_text(Given(lines=("hello", "台北 hello")), latin_faces, skips)
    assert source == Corpus(("hello",))
    assert skips.counts == {"no_font": 1}
    assert "北台" in skips.examples["no_font"][0]


def test_characters_asked_for_by_name_are_refused_by_name(latin_faces: FaceSet) -> None:
    with pytest.raises(CharactersNotDrawn, match=r"台 \(U\+53F0\)"):
        drawable_text(Given(characters="a台"), latin_faces, Skips())
    with pytest.raises(CharactersNotDrawn):
        drawable_text(Given(lines=("台北",)), latin_faces, Skips())


def test_characters_that_look_alike_find_each_other(chinese: Face) -> None:
    faces = FaceSet([chinese])
    groups = confusable_groups("己日未曰末已土士的", faces, groups=4, largest=2)
    assert set(map(frozenset, groups)) == {
        *map(frozenset, ("己已", "未末", "土士", "日曰")),
    }


def test_two_characters_of_one_picture_are_no_pair(helvetica: Face) -> None:
    # Latin A, Greek Alpha and Cyrillic A are drawn alike: nobody could tell them apart
    pairs = confusable_pairs("AΑА", FaceSet([helvetica]))
    assert pairs == []
