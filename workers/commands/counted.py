"""How far through a list of things a command is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from workers.commands.exits import say
from workers.commands.progress import LINE_SECONDS

Item = TypeVar("Item")


def counted(items: Iterable[Item], total: int, name: str, *, quiet: bool) -> Iterator[Item]:
    """The items, shown as they pass: a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield from items
    elif sys.stderr.isatty():
        with Progress(console=Console(stderr=True)) as bar:
            yield from bar.track(items, total=total, description=name)
    else:
        yield from _in_lines(items, total, name)


def _in_lines(items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
    due = time.monotonic() + LINE_SECONDS
    for number, item in enumerate(items, start=1):
        yield item
        if time.monotonic() >= due:
            say(f"{number} of {total} {name}")
            due = time.monotonic() + LINE_SECONDS
