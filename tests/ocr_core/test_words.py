"""Frames to characters, characters to words, and spaces that were lost on the way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_core.recognition import decode
from ocr_core.recognition.decode import Symbol
from ocr_core.recognition.recognizer import LONGEST, Recognizer, cuts, padded_width
from ocr_core.recognition.words import LineScale, restore_spaces, split_words
from ocr_core.runtime import BestPath, Engine
from ocr_core.runtime.precision import Precision

CHARACTERS = ("", "a", "b", "中", "1", ".", " ")


def frames(ids: list[int], space: float = 0.0) -> BestPath:
    """The path of these classes at 0.9; `space` is the probability of one in blank frames."""
    path = np.array([ids], np.int32)
    spaces = np.where(path == 0, space, 0.01).astype(np.float32)
    return BestPath(path, np.full(path.shape, 0.9, np.float32), spaces)


class Always:
    """A session that sees the same path in every line."""

    engine: Engine = "onnxruntime"
    precision: Precision = "fp32"

    def __init__(self, path: BestPath) -> None:
        self._path = path

    def run(self, batch: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def best(self, batch: np.ndarray) -> BestPath:
        return self._path


def ink(*stretches: tuple[int, int], width: int) -> np.ndarray:
    columns = np.zeros(width, bool)
    for start, end in stretches:
        columns[start:end] = True
    return columns


def test_collapse_merges_repeats_but_keeps_a_double_letter() -> None:
    # a a - a b b, "-" the blank, reads "aab": the blank keeps the two a's apart
    assert decode.collapse([1, 1, 0, 1, 2, 2]) == [1, 1, 2]


@given(st.lists(st.integers(0, len(CHARACTERS) - 1), max_size=40))
def test_symbols_are_the_collapsed_path_with_its_frames(ids: list[int]) -> None:
    read = decode.symbols(frames(ids), CHARACTERS)
    assert [s.text for s in read] == [CHARACTERS[i] for i in decode.collapse(ids)]
    assert all(s.first <= s.last < len(ids) for s in read)
    assert all(a.last < b.first for a, b in itertools.pairwise(read))


def test_a_line_without_characters_has_confidence_zero() -> None:
    assert decode.confidence(decode.symbols(frames([0, 0, 0]), CHARACTERS)) == 0.0


def test_a_half_seen_space_over_a_gap_is_put_back() -> None:
    # a _ _ b with 20 % space between; no ink between the two letters
    read = decode.symbols(frames([1, 0, 0, 2], space=0.2), CHARACTERS)
    spaced = restore_spaces(read, ink((0, 8), (24, 32), width=32))
    assert "".join(s.text for s in spaced) == "a b"


def test_a_half_seen_space_without_a_gap_is_not_put_back() -> None:
    read = decode.symbols(frames([1, 0, 0, 2], space=0.2), CHARACTERS)
    spaced = restore_spaces(read, ink((0, 32), width=32))
    assert "".join(s.text for s in spaced) == "ab"


def test_a_gap_far_wider_than_the_usual_one_is_a_space_even_if_unseen() -> None:
    # letters every 2 frames, then a gap of 7
    ids = [1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    read = decode.symbols(frames(ids), CHARACTERS)
    spaced = restore_spaces(read, ink((0, 40), (88, 96), width=96))
    assert "".join(s.text for s in spaced) == "aaa b"


def test_a_lower_line_with_shorter_frames_has_the_same_words() -> None:
    # the line of the test above at a height of 32 pixels: gaps are two thirds as wide, and a frame
    # of 4 pixels is as long as 6 were
    low = LineScale(height=32, stride=4)
    ids = [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    read = decode.symbols(frames(ids), CHARACTERS)
    columns = ink((0, 28), (58, 66), width=66)
    spaced = restore_spaces(read, columns, low)
    assert "".join(s.text for s in spaced) == "aaa b"
    words = split_words(spaced, columns, low)
    assert [(w.text, w.start, w.end) for w in words] == [("aaa", 0, 28), ("b", 58, 66)]


def test_a_gap_counts_by_the_height_of_its_line() -> None:
    # 5 pixels are a gap at a height of 32 (two thirds of the 6 asked for at 48), not at 48
    read = decode.symbols(frames([1, 0, 0, 2], space=0.2), CHARACTERS)
    columns = ink((0, 5), (10, 16), width=16)
    low = restore_spaces(read, columns, LineScale(height=32, stride=4))
    high = restore_spaces(read, columns, LineScale(height=48, stride=4))
    assert ["".join(s.text for s in line) for line in (low, high)] == ["a b", "ab"]


def test_a_charset_without_a_space_gets_none_from_its_last_letter() -> None:
    # "b" is the last class, and half seen between two letters far apart
    path = frames([1, 0, 0, 1])._replace(spaces=np.full((1, 4), 0.4, np.float32))
    crop = np.full((48, 32, 3), 255, np.uint8)
    crop[8:40, :8] = crop[8:40, 24:] = 0
    session = Always(path)
    assert Recognizer(session, ("a", "b")).read(crop).text == "aa"
    assert Recognizer(session, ("a", " ")).read(crop).text == "a a"


def test_numbers_stay_whole() -> None:
    # "1.1" with a seen half space on both sides of the point
    read = decode.symbols(frames([4, 0, 5, 0, 0, 4], space=0.3), CHARACTERS)
    spaced = restore_spaces(read, ink((0, 8), (16, 20), (40, 48), width=48))
    assert "".join(s.text for s in spaced) == "1.1"


def test_chinese_gets_no_spaces() -> None:
    read = decode.symbols(frames([3, 0, 0, 0, 0, 3], space=0.4), CHARACTERS)
    spaced = restore_spaces(read, ink((0, 8), (40, 48), width=48))
    assert "".join(s.text for s in spaced) == "中中"


def test_words_end_at_the_edges_of_the_gap_between_them() -> None:
    # "ab a": ink 4..14, 30..44; the gap is the border, both words end at their ink
    read = decode.symbols(frames([1, 2, 0, 6, 1, 0]), CHARACTERS)
    words = split_words(read, ink((4, 14), (30, 44), width=48))
    assert [(w.text, w.start, w.end) for w in words] == [("ab", 4, 14), ("a", 30, 44)]


def test_each_chinese_character_is_a_word_and_latin_letters_are_together() -> None:
    read = decode.symbols(frames([3, 0, 3, 0, 1, 2]), CHARACTERS)
    words = split_words(read, ink((0, 48), width=48))
    assert [w.text for w in words] == ["中", "中", "ab"]


@given(st.lists(st.integers(0, len(CHARACTERS) - 1), min_size=1, max_size=40), st.data())
def test_words_hold_all_characters_in_order_and_stay_on_the_line(
    ids: list[int], data: st.DataObject
) -> None:
    columns = np.array(data.draw(st.lists(st.booleans(), min_size=8, max_size=len(ids) * 8)))
    read = decode.symbols(frames(ids), CHARACTERS)
    words = split_words(read, columns)
    assert "".join(w.text for w in words) == "".join(s.text for s in read if not s.is_space)
    assert all(0 <= w.start < w.end <= len(columns) + 1 for w in words)


@given(st.integers(1, 40_000))
def test_padding_is_little_and_widths_are_few(width: int) -> None:
    padded = padded_width(width)
    assert padded >= width
    assert padded - width < 64 or padded <= width * 1.1


@given(st.integers(1, 20_000), st.integers(0, 50))
def test_a_long_line_is_cut_into_parts_that_meet(width: int, step: int) -> None:
    columns = np.ones(width, bool)
    columns[:: step + 7] = False
    parts = cuts(columns)
    assert parts[0][0] == 0
    assert parts[-1][1] == width
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert all(0 < end - start <= LONGEST for start, end in parts)


def test_a_long_line_is_cut_where_it_has_no_ink() -> None:
    columns = np.ones(4000, bool)
    columns[2800:2840] = False
    (_, cut), _ = cuts(columns)
    assert 2800 <= cut <= 2840


@pytest.mark.parametrize("offset", range(8))
def test_a_gap_between_two_words_is_wide_enough_for_a_cut(offset: int) -> None:
    columns = np.ones(4000, bool)
    columns[2700:2706] = columns[2720:2726] = False  # between letters
    columns[2800 + offset : 2812 + offset] = False
    (_, cut), _ = cuts(columns)
    assert 2800 + offset <= cut <= 2812 + offset


def test_symbols_say_where_their_middle_is() -> None:
    assert Symbol("a", 1.0, 2, 3).center == 3.0
