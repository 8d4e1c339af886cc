"""The order in which labels are listed that began as the boxes of a detector."""

from typing import Any

from benchmarks.plain_order import in_plain_order, plain


def region(text: str, x: int, y: int) -> dict[str, Any]:
    corners = [[x, y], [x + 90, y], [x + 90, y + 20], [x, y + 20]]
    return {"text": text, "polygon": corners}


def texts(regions: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in regions]


def test_two_columns_are_read_across() -> None:
    left = [region(f"left{n}", 10, 100 + 30 * n) for n in range(3)]
    right = [region(f"right{n}", 200, 104 + 30 * n) for n in range(3)]
    wanted = ["left0", "right0", "left1", "right1", "left2", "right2"]
    assert texts(plain(left + right)) == wanted


def test_lines_of_nearly_one_height_stand_from_left_to_right() -> None:
    # the right one is 9 pixels higher, and the third 10 pixels lower than the left one
    found = plain([region("right", 200, 91), region("left", 10, 100), region("below", 5, 110)])
    assert texts(found) == ["left", "right", "below"]


def test_a_prediction_keeps_all_but_its_order() -> None:
    row = {"image": "a.png", "page": 1, "regions": [region("b", 0, 50), region("a", 0, 10)]}
    assert in_plain_order(row) == {**row, "regions": row["regions"][::-1]}
