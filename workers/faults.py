"""Faults of the machine and its services, which are no fault of any page.

A page in hand when one happens is given back uncounted, and the worker pauses.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError

from ingest.errors import IngestError, SandboxUnavailable, SpoolFull
from ocr_core.errors import InstallationError
from storage.errors import DatabaseTooNew, DatabaseUnsupported

LOGGED_AS = "environment_fault"
"""The event a supervisor looks for in the log of its workers."""
_DISK = {errno.ENOSPC, errno.EDQUOT}
_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_FREE_SPACE = "Free space on the disk that holds the database and the cache folder."


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
    try:
        yield
    except (OSError, DBAPIError, IngestError, InstallationError, *_DATABASE_UNUSABLE) as error:
        if fault := _fault_of(error):
            raise fault from error
        raise


_DATABASE_UNUSABLE = (DatabaseTooNew, DatabaseUnsupported)


def _fault_of(error: Exception) -> EnvironmentFault | None:
    match error:
        case InstallationError():
            return EnvironmentFault(error.code, error.message, error.advice, lasting=True)
        case DatabaseTooNew() | DatabaseUnsupported():
            return EnvironmentFault(error.code, error.message, error.advice, lasting=True)
        case SandboxUnavailable() | SpoolFull():
            return EnvironmentFault(error.code, error.message, error.advice)
        case DBAPIError():
            return _database_fault(error)
        case OSError(errno=number) if number in _DISK:
            return EnvironmentFault("disk_full", f"The disk is full: {error}.", _FREE_SPACE)
        case OSError(errno=number) if number in _RESOURCES:
            return EnvironmentFault("machine_exhausted", f"The machine is exhausted: {error}.")
    return None


def _database_fault(error: DBAPIError) -> EnvironmentFault | None:
    """A full disk, a lock nobody gives back, a server that is away; a wrong statement is a bug."""
    reason = str(error.orig)
    if "full" in reason:
        return EnvironmentFault("disk_full", f"The disk is full: {reason}.", _FREE_SPACE)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return EnvironmentFault("database_unavailable", f"The database does not answer: {reason}.")
    return None


def check_disk(folder: Path, minimum: int) -> None:
    """Raise EnvironmentFault if fewer than `minimum` bytes are free where `folder` lies."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free
    if free < minimum:
        raise EnvironmentFault(
            "disk_full",
            f"Only {free // 2**20} MiB are free on the disk of {place}.",
            _FREE_SPACE,
        )
