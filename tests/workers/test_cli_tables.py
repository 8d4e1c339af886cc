from __future__ import annotations

import json

import pytest

from workers.commands.progress import duration
from workers.commands.tables import CHUNK, cell, print_json, print_table, printable


def test_a_file_name_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\u202ed") == r"a\x1b[31mb\nc\u202ed"


def test_text_of_any_script_is_printed_as_it_is() -> None:
    assert printable("增值税发票 — Größe") == "增值税发票 — Größe"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0.123456789, "0.123457"), (b"\x01\xff", "01ff"), (7, "7")]
)
def test_cells_are_short_and_on_one_line(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_columns_align_in_terminal_cells_though_chinese_is_twice_as_wide(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["name", "n"], [("发票", 1), ("ab", 2)])
    # "发票" fills four cells with two characters, "ab" two with two
    assert capsys.readouterr().out.splitlines() == ["name  n", "发票  1", "ab    2"]


def test_a_long_cell_stays_on_one_line_when_the_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["text"], [("x" * 5000,)])
    assert capsys.readouterr().out.splitlines()[1] == "x" * 5000


def test_a_table_without_rows_still_names_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_table(["a", "b"], []) == 0
    assert capsys.readouterr().out.split() == ["a", "b"]


def test_a_long_table_prints_its_header_once_and_every_row(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert print_table(["n"], ((n,) for n in range(2 * CHUNK + 1))) == 2 * CHUNK + 1
    assert capsys.readouterr().out.split() == ["n", *map(str, range(2 * CHUNK + 1))]


def test_brackets_are_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["text"], [("[red]x[/red] :smile:",)])
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


def test_json_keeps_text_readable(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "发票"})
    line = capsys.readouterr().out
    assert "发票" in line
    assert json.loads(line) == {"text": "发票"}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said
