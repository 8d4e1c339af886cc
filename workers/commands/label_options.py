"""Labels on the command line: where they are, in which form, and what was wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workers.commands.exits import ExitCode, say

if TYPE_CHECKING:
    from ocr_core.training.skips import Skips

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(exists=True, path_type=Path)
_FORMS = click.Choice(["auto", "jsonl", "icdar", "paddle", "page-xml"])


def label_options(command: Command) -> Command:
    """Add `--data` and `--form`."""
    data = click.option(
        "--data",
        type=PATH,
        multiple=True,
        required=True,
        help="Labels: a file, or a folder with them; may be repeated.",
    )
    form = click.option("--form", type=_FORMS, default="auto", help="How they are written [auto].")
    return data(form(command))


def say_skips(skips: Skips) -> None:
    """List what was left out, by reason."""
    for line in skips.lines():
        say(line)


def verdict(skips: Skips) -> ExitCode:
    """Choose the exit code of a job that is done but for the labels that could not be used."""
    return ExitCode.PARTLY if skips.faults else ExitCode.WELL
