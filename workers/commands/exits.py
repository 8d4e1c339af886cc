"""Exit codes, and what is said when a command cannot go on."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, Protocol, runtime_checkable

import click

from storage.errors import ErrorInfo
from workers.commands.tables import printable


class ExitCode(enum.IntEnum):
    """How `pagemill` ends; part of the contract."""

    WELL = 0
    WRONG_USAGE = 1
    PARTLY = 2
    """Some input was refused, or pages are quarantined; each is listed."""
    MISSING = 3
    """A dependency or a service is missing."""
    NOTHING_READ = 4
    INTERRUPTED = 130


@runtime_checkable
class Explained(Protocol):
    """An error of ours: its text is a sentence for the person who meets it."""

    @property
    def code(self) -> str:
        """Stable name of the kind of error."""
        ...

    @property
    def advice(self) -> str:
        """What the person can do."""
        ...


class Stop(click.ClickException):
    """Ends the command with a sentence on stderr and the exit code of its class."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message and, on its own line, what to do."""
        say_error(self.message, self.advice)


class WrongUsage(Stop):
    """What was asked for cannot be done by anybody."""

    exit_code = ExitCode.WRONG_USAGE


class Missing(Stop):
    """A dependency or a service is missing, or does not work."""

    exit_code = ExitCode.MISSING


class NothingRead(Stop):
    """There was nothing that could be read."""

    exit_code = ExitCode.NOTHING_READ


@dataclass(frozen=True, slots=True)
class Problem:
    """One input that was refused, or one page that could not be read."""

    name: str
    """The path as given, or where the document lies."""
    error: ErrorInfo
    page_no: int | None = None
    """None if it concerns the whole document."""

    @classmethod
    def of(cls, name: str, error: Explained) -> Problem:
        """Say of an input what an error of ours says."""
        return cls(name, ErrorInfo(error.code, str(error), error.advice))


def error_as_json(error: ErrorInfo) -> dict[str, str]:
    """Code, message and advice, for a program."""
    return {"code": error.code, "message": error.message, "advice": error.advice}


def verdict(read: int, problems: int) -> ExitCode:
    """Choose the exit code after reading so many pages and failing at so many things."""
    if problems:
        return ExitCode.PARTLY if read else ExitCode.NOTHING_READ
    return ExitCode.WELL if read else ExitCode.NOTHING_READ


_WRONG_USAGE = {
    *("source_missing", "object_missing", "bucket_unsupported", "key_refused"),
    *("wrong_setting", "model_exists"),
    *("document_not_found", "document_ambiguous", "sql_refused", "sql_failed", "sql_time_limit"),
    "copy_refused",
    *("labels_unreadable", "labels_form_unknown", "recipe_unknown", "recipe_incomplete"),
    *("setting_refused", "run_exists", "checkpoint_missing", "checkpoint_of_another_run"),
    *("centers_of_another_charset", "loss_not_finite", "folder_of_another_drawing"),
}
"""Codes of errors that say something of what was asked for; the others, of this machine."""


def exit_code_of(error: Explained) -> ExitCode:
    """Choose the exit code of a command that an error of ours has ended."""
    if error.code == "export_mismatch":
        return ExitCode.PARTLY
    if error.code == "training_set_empty":
        return ExitCode.NOTHING_READ
    return ExitCode.WRONG_USAGE if error.code in _WRONG_USAGE else ExitCode.MISSING


def say(message: str) -> None:
    """Tell the person something: on stderr, control characters made harmless."""
    click.echo("\n".join(printable(line) for line in message.split("\n")), err=True)


def say_error(message: str, advice: str = "") -> None:
    """Say why a command ends and what to do about it."""
    say(f"pagemill: {message}")
    if advice:
        say(f"  {advice}")


def say_problems(problems: Iterable[Problem]) -> None:
    """List every refused file and page: code, message, what to do."""
    for problem in problems:
        page = f" page {problem.page_no}" if problem.page_no is not None else ""
        say(f"{problem.name}{page}: {problem.error.code}: {problem.error.message}")
        if problem.error.advice:
            say(f"  {problem.error.advice}")
