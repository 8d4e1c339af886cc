import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.page_selection import PageSelection


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (None, [1, 2, 3, 4, 5, 6]),
        ("1,3-5", [1, 3, 4, 5]),
        ("-2, 5-", [1, 2, 5, 6]),
        ("4,4,2-4", [2, 3, 4]),
        ("6-20,9", [6]),
        ("9", []),
    ],
)
def test_pages_of_a_document_of_six(text: str | None, numbers: list[int]) -> None:
    assert PageSelection.parse(text).numbers(6) == numbers


@pytest.mark.parametrize("text", ["0", "3-1", "a", "1,,2", "-", "1-2-3", "1.5"])
def test_what_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="page"):
        PageSelection.parse(text)


@given(st.sets(st.integers(1, 60), min_size=1))
def test_a_list_of_numbers_selects_those_numbers(numbers: set[int]) -> None:
    text = ",".join(map(str, numbers))
    assert PageSelection.parse(text).numbers(60) == sorted(numbers)
