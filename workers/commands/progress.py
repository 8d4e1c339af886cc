"""How far a job is: a bar on a terminal, a line now and then elsewhere; always on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from workers.commands.exits import say
from workers.commands.tables import printable

if TYPE_CHECKING:
    from workers.supervisor import Progress

LINE_SECONDS = 5.0
"""Time between two lines where there is no terminal."""


class Display(Protocol):
    """Shows progress while it is entered."""

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        ...

    def __call__(self, progress: Progress) -> None:
        """Show a newer state; called a few times a second."""
        ...


def display(*, quiet: bool) -> Display:
    """Choose how progress is shown: not at all, as lines, or as a bar."""
    if quiet:
        return NoDisplay()
    return BarDisplay() if sys.stderr.isatty() else LineDisplay()


class NoDisplay:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, progress: Progress) -> None:
        """Show nothing."""


class LineDisplay(NoDisplay):
    """A line every few seconds if anything changed, the last state, and what is wrong at once."""

    def __init__(self) -> None:
        self._line = self._said = ""
        self._next = 0.0
        self._alert: str | None = None

    def __exit__(self, *_: object) -> None:
        if self._line != self._said:
            say(self._line)

    def __call__(self, progress: Progress) -> None:
        """Print a line if it is time for one."""
        if progress.alert != self._alert:
            self._alert = progress.alert
            say(f"waiting: {progress.alert}" if progress.alert else "going on")
        self._line = describe(progress) if progress.files else ""
        if progress.seconds >= self._next and self._line != self._said:
            say(self._line)
            self._said, self._next = self._line, progress.seconds + LINE_SECONDS


class BarDisplay:
    """A bar that grows with the pages at rest."""

    def __init__(self) -> None:
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.fields[files]}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rest]}", markup=False),
            console=Console(stderr=True, markup=False, highlight=False),
        )
        self._task = self._bar.add_task("pages", total=None, files="", rest="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            total=progress.pages or None,
            completed=progress.pages_done + progress.pages_quarantined,
            files=f"{progress.files} files, pages",
            rest=_rest(progress),
        )


def describe(progress: Progress) -> str:
    """One line of text: files, pages, speed."""
    more = " so far" if progress.taking_in else ""
    pages = progress.pages_done + progress.pages_quarantined
    files = f"{progress.files} files{more}, {pages} of {progress.pages} pages"
    return ", ".join(filter(None, (files, _rest(progress))))


def _rest(progress: Progress) -> str:
    """What follows the counts: speed, time left, refusals, what is wrong."""
    speed = progress.pages_per_second
    waiting = progress.pages_waiting + progress.pages_leased
    known = speed > 0 and waiting and not progress.taking_in
    parts = (
        f"{speed * 60:.0f} pages/min" if speed > 0 else "",
        f"{duration(waiting / speed)} left" if known else "",
        f"{progress.files_failed} refused" if progress.files_failed else "",
        f"{progress.pages_quarantined} quarantined" if progress.pages_quarantined else "",
        f"waiting: {printable(progress.alert)}" if progress.alert else "",
    )
    return ", ".join(filter(None, parts))


def duration(seconds: float) -> str:
    """A length of time for people: 7 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
