"""Faults of the machine and its services, which are no fault of any page.

A page in hand when one happens is given back uncounted, and the worker pauses.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

LOGGED_AS = "environment_fault"
"""The event a supervisor looks for in the log of its workers."""
FREE_SPACE = "Free space on the disk that holds the database and the cache folder."


class EnvironmentFault(Exception):
    """Something that every page needs is missing or broken."""

    def __init__(self, code: str, message: str, advice: str = "", *, lasting: bool = False) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.advice = advice or "Run `pagemill doctor`."
        self.lasting = lasting
        """Whether waiting cannot cure it: a missing model, not a full disk."""

    def log(self, **fields: object) -> None:
        """Write it down where people and the supervisor see it."""
        structlog.get_logger().error(
            LOGGED_AS,
            code=self.code,
            message=self.message,
            advice=self.advice,
            lasting=self.lasting,
            **fields,
        )


@contextmanager
def environment_faults() -> Iterator[None]:
    """Turn what the machine's own troubles look like into EnvironmentFault; the rest passes."""
    from workers import fault_causes  # imports what it knows, of which SQLAlchemy takes its time

    try:
        yield
    except fault_causes.CAUSES as error:
        if fault := fault_causes.fault_of(error):
            raise fault from error
        raise


def check_disk(folder: Path, minimum: int) -> None:
    """Raise EnvironmentFault if fewer than `minimum` bytes are free where `folder` lies."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free
    if free < minimum:
        raise EnvironmentFault(
            "disk_full",
            f"Only {free // 2**20} MiB are free on the disk of {place}.",
            FREE_SPACE,
        )
