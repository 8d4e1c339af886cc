from __future__ import annotations

import io
import sys

import pytest

from workers.commands.progress import BarDisplay, LineDisplay, NoDisplay, describe, display
from workers.job import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _progress(**more: object) -> Progress:
    values: dict[str, object] = {
        **{"seconds": 10.0, "taking_in": False, "files": 3, "files_failed": 1, "documents": 2},
        **{"pages": 10, "pages_done": 4, "pages_quarantined": 1, "pages_leased": 1},
        **{"pages_waiting": 4, "pages_per_second": 0.5, "alert": None},
    }
    return Progress(**{**values, **more})  # type: ignore[arg-type]


def test_a_line_says_how_far_how_fast_and_what_went_wrong() -> None:
    # five pages are left at half a page a second
    assert describe(_progress()) == (
        "3 files, 5 of 10 pages, 30 pages/min, 10 s left, 1 refused, 1 quarantined"
    )


def test_no_time_is_promised_while_files_are_still_coming() -> None:
    assert describe(_progress(taking_in=True, files_failed=0, pages_quarantined=0)) == (
        "3 files so far, 4 of 10 pages, 30 pages/min"
    )


def test_lines_come_now_and_then_and_the_last_state_is_always_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with LineDisplay() as show:
        for second in range(8):
            show(_progress(seconds=float(second), pages_done=second))
    said = [line.split(", ")[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["1 of 10 pages", "6 of 10 pages", "8 of 10 pages"]


def test_what_is_wrong_is_said_at_once_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    with LineDisplay() as show:
        for second in (0.0, 0.1, 0.2):
            show(_progress(seconds=second, alert="the disk is full"))
        show(_progress(seconds=0.3))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "waiting: the disk is full"
    assert lines.count("waiting: the disk is full") == 1
    assert "going on" in lines


def test_a_terminal_gets_a_bar_a_file_lines_and_the_quiet_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(display(quiet=False), LineDisplay)
    assert isinstance(display(quiet=True), NoDisplay)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(display(quiet=False), BarDisplay)


def test_the_bar_takes_an_alert_for_text_and_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "200")
    with BarDisplay() as show:
        show(_progress(alert="no [bold]room[/bold]\x1b[2J"))
    assert "5/10" in terminal.getvalue()
    assert r"waiting: no [bold]room[/bold]\x1b[2J" in terminal.getvalue()
