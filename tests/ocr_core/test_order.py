"""Reading order on drawn layouts."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from ocr_core.order import reading_order
from ocr_core.page import Quad, TextLine, quad_of


def line(text: str, x: float, y: float, width: float, height: float = 20) -> TextLine:
    return TextLine(text, quad_of((x, y, x + width, y + height)), 1.0)


def texts(lines: list[TextLine], seed: int = 1) -> list[str]:
    shuffled = list(lines)
    random.Random(seed).shuffle(shuffled)
    return [found.text for found in reading_order(shuffled)]


def column(name: str, x: float, count: int, y: float = 100, pitch: float = 24) -> list[TextLine]:
    return [line(f"{name}{n}", x, y + n * pitch, 300) for n in range(count)]


def turned(lines: list[TextLine], degrees: float) -> list[TextLine]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def turn(quad: Quad) -> Quad:
        a, b, d, e = ((x * c - y * s, x * s + y * c) for x, y in quad)
        return a, b, d, e

    return [TextLine(found.text, turn(found.quad), found.confidence) for found in lines]


TWO_COLUMNS = [line("title", 100, 20, 660, 40), *column("a", 100, 12), *column("b", 440, 12)]
IN_ORDER = ["title", *(f"a{n}" for n in range(12)), *(f"b{n}" for n in range(12))]


def test_nothing_is_in_order() -> None:
    assert reading_order([]) == []


def test_aligned_columns_are_read_one_after_the_other() -> None:
    assert texts(TWO_COLUMNS) == IN_ORDER


def test_skew_does_not_mix_columns() -> None:
    for degrees in (-5, -2, 2, 5):
        assert texts(turned(TWO_COLUMNS, degrees)) == IN_ORDER


def test_a_heading_between_two_bands_of_columns_divides_them() -> None:
    above = [*column("a", 100, 5), *column("b", 440, 5)]
    below = [*column("c", 100, 5, y=330), *column("d", 440, 5, y=330)]
    page = [*above, line("heading", 100, 260, 640, 30), *below]
    wanted = [f"{c}{n}" for c in "ab" for n in range(5)] + ["heading"]
    assert texts(page) == wanted + [f"{c}{n}" for c in "cd" for n in range(5)]


def test_a_table_is_read_by_rows() -> None:
    cells = [
        line(f"{row}{name}", x, 100 + row * 30, 60)
        for row in range(6)
        for name, x in (("item", 100), ("count", 300), ("price", 500))
    ]
    assert texts(cells) == [f"{r}{n}" for r in range(6) for n in ("item", "count", "price")]


def test_a_cell_of_several_lines_is_read_to_its_end_before_the_next_cell() -> None:
    # Labels of one, two and three lines, the figures of each row at half its height.
    table, wanted, y = [], [], 100.0
    for row, lines in enumerate((1, 2, 3, 2, 1)):
        label = [f"label{row}.{n}" for n in range(lines)]
        figures = [f"{row}a", f"{row}b"]
        table += [line(text, 50, y + 22 * n, 130) for n, text in enumerate(label)]
        middle = y + 11 * (lines - 1)
        table += [line(text, x, middle, 80) for text, x in zip(figures, (300, 500), strict=True)]
        wanted += label + figures
        y += 22 * lines + 10
    assert texts(table) == wanted


def test_rows_that_touch_stay_rows_where_a_cell_is_empty() -> None:
    # Lines 30 high at a pitch of 22: no white line between the rows; row 2 has no amount.
    names = [line(f"name{n}", 50, 100 + 22 * n, 200, 30) for n in range(4)]
    amounts = [line(f"amount{n}", 400, 100 + 22 * n, 90, 30) for n in (0, 1, 3)]
    wanted = ["name0", "amount0", "name1", "amount1", "name2", "name3", "amount3"]
    assert texts([*names, *amounts]) == wanted


def test_a_running_head_and_foot_are_in_no_column() -> None:
    # Both stand over the gutter and reach into the right column.
    head, foot = line("head", 395, 30, 60), line("12", 410, 460, 40)
    assert texts([head, *column("a", 100, 12), *column("b", 440, 12, y=110), foot]) == [
        "head",
        *IN_ORDER[1:],
        "12",
    ]


def test_short_lines_under_a_head_on_the_right_are_no_column_beside_it() -> None:
    page = [line("head", 500, 100, 300), *column("a", 100, 4, y=126)]
    assert texts(page) == ["head", "a0", "a1", "a2", "a3"]


def test_columns_with_short_lines_among_their_text_stay_columns() -> None:
    # A workbook: questions over the whole column, answers A to D beside each other below them.
    def questions(name: str, x: float, y: float) -> list[TextLine]:
        text = column(name, x, 3, y)
        answers = [line(f"{name}{c}", x + 60 * n, y + 80, 20) for n, c in enumerate("ABCD")]
        return [*text, *answers]

    page = [*questions("a", 100, 100), *questions("b", 100, 240)]
    page += [*questions("c", 440, 107), *questions("d", 440, 247)]
    assert texts(page) == [f"{name}{c}" for name in "abcd" for c in "012ABCD"]


def test_vertical_columns_are_read_from_the_right() -> None:
    def down(text: str, x: float) -> TextLine:
        # the text runs down: its top-left corner is the column's top-right one
        return TextLine(text, ((x + 30, 50), (x + 30, 500), (x, 500), (x, 50)), 1.0)

    assert texts([down("一一一一", 100), down("二二二二", 200), down("三三三三", 300)]) == [
        "三三三三",
        "二二二二",
        "一一一一",
    ]


def test_a_paragraph_gap_begins_a_new_block() -> None:
    page = [line("a", 0, 0, 300), line("b", 0, 24, 300), line("c", 0, 90, 300)]
    assert [found.block_no for found in reading_order(page)] == [0, 0, 1]


# Engines flush subnormal numbers to zero for the whole process: none are drawn.
coordinates = st.floats(0, 2000, allow_subnormal=False)


@given(
    st.lists(st.tuples(coordinates, coordinates, st.floats(1, 900), st.floats(1, 90)), max_size=40)
)
def test_any_layout_keeps_every_line_once(boxes: list[tuple[float, float, float, float]]) -> None:
    page = [line(str(n), *box) for n, box in enumerate(boxes)]
    assert sorted(texts(page)) == sorted(found.text for found in page)
