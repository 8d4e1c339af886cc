from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tables import mark_best, markdown, write_between


def test_a_table_has_its_first_column_left_and_its_numbers_right() -> None:
    assert markdown(["set", "a", "b"], [["x", "1", "2"]]).splitlines() == [
        "| set | a | b |",
        "| --- | ---: | ---: |",
        "| x | 1 | 2 |",
    ]


def test_all_values_that_print_like_the_best_are_bold() -> None:
    # .9004 and .8996 both print as 0.900
    assert mark_best([0.9004, 0.8996, 0.5], 3, lower=False) == ["**0.900**", "**0.900**", "0.500"]


def test_lower_is_better_for_errors_and_a_missing_figure_is_a_dash() -> None:
    assert mark_best([None, 0.2, 0.1], 2, lower=True) == ["–", "0.20", "**0.10**"]
    assert mark_best([None, None], 2, lower=True) == ["–", "–"]


def test_a_table_is_written_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("a\n<!-- t -->\nold \\1\n<!-- /t -->\nb <!-- u --><!-- /u -->\n")
    write_between(document, "t", "new \\1")
    write_between(document, "t", "new \\1")
    assert document.read_text() == "a\n<!-- t -->\nnew \\1\n<!-- /t -->\nb <!-- u --><!-- /u -->\n"


def test_a_document_without_the_marks_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("nothing here\n")
    with pytest.raises(ValueError, match="has no <!-- t -->"):
        write_between(document, "t", "new")
