"""How faults of the machine show themselves in the errors of its libraries."""

from __future__ import annotations

import errno

from sqlalchemy.exc import DBAPIError, OperationalError

from ingest.errors import IngestError, InstallationBroken, SandboxUnavailable, SpoolFull
from ocr_core.errors import InstallationError
from storage.errors import (
    BucketRefused,
    BucketUnavailable,
    DatabaseTooNew,
    DatabaseUnsupported,
)
from workers.faults import FREE_SPACE, EnvironmentFault

CAUSES = (
    OSError,
    DBAPIError,
    IngestError,
    InstallationError,
    DatabaseTooNew,
    DatabaseUnsupported,
    BucketRefused,
    BucketUnavailable,
)
"""Errors that may be a sign of a fault."""
_DISK = {errno.ENOSPC, errno.EDQUOT}
_SERVER_DISK_FULL = "53100"
_STANDBY = "25006"
"""Only reading is possible: the server that took over is not the first of its cluster yet."""
_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


def fault_of(error: Exception) -> EnvironmentFault | None:
    """Return the fault that an error is a sign of; None if it is something else."""
    match error:
        case InstallationError() | InstallationBroken():
            return EnvironmentFault(error.code, error.message, error.advice, lasting=True)
        case DatabaseTooNew() | DatabaseUnsupported():
            return EnvironmentFault(error.code, error.message, error.advice, lasting=True)
        case SandboxUnavailable() | SpoolFull() | BucketRefused() | BucketUnavailable():
            return EnvironmentFault(error.code, error.message, error.advice)
        case DBAPIError():
            return _database_fault(error)
        case OSError(errno=number) if number in _DISK:
            return EnvironmentFault("disk_full", f"The disk is full: {error}.", FREE_SPACE)
        case OSError(errno=number) if number in _RESOURCES:
            return EnvironmentFault("machine_exhausted", f"The machine is exhausted: {error}.")
    return None


def _database_fault(error: DBAPIError) -> EnvironmentFault | None:
    """A full disk, a lock nobody gives back, a server that is away; a wrong statement is a bug."""
    reason = str(error.orig)
    state = getattr(error.orig, "sqlstate", None)  # PostgreSQL's
    if "full" in reason or state == _SERVER_DISK_FULL:
        return EnvironmentFault("disk_full", f"The disk is full: {reason}.", FREE_SPACE)
    away = isinstance(error, OperationalError) or error.connection_invalidated
    if away or state == _STANDBY:
        return EnvironmentFault("database_unavailable", f"The database does not answer: {reason}.")
    return None
