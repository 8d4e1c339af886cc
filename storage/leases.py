"""The right to read a page, and the numbers that say when a page is given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.errors import ErrorInfo

BLAMED_LIMIT = 3
"""Sandbox deaths after which a page is quarantined."""
SUSPECT_LOSSES = 3
"""Lease losses from which a page is read alone."""
LOSSES_LIMIT = 8
"""Lease losses after which a page is quarantined."""
FAILURES_LIMIT = 5
"""Retryable errors in a row after which a page is quarantined, so that every job ends."""
RETRY_SECONDS = (5.0, 60.0)
"""Wait after the first error and after every later one."""
LONGEST_LOSS_SECONDS = 60.0
"""The wait after a lost lease doubles from one second up to this, so that a page whose workers
die one after another lets the others go first, and a burst of kills does not use up its tries."""

LEASE_LOST = ErrorInfo(
    code="lease_lost",
    message=f"Every one of {LOSSES_LIMIT} workers that read the page vanished.",
    advice="Look for out-of-memory kills in the system log, then release the page to try again.",
    retryable=True,
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to read one page until `until`."""

    page_id: int
    document_id: int
    page_no: int
    """From 1."""
    sha256: str
    """Of the document."""
    media_type: str
    uri: str
    """Where the document was last seen; its key and version there."""
    key: str
    version: str
    token: int
    worker: str
    attempts: int
    """Leases of this page so far, this one included."""
    failures: int
    blamed: int
    lease_losses: int
    suspect: bool
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class WorkLeft:
    """Pages that are not at rest."""

    pending_due: int
    pending_later: int
    """Waiting for their retry time."""
    leased: int
    next_due: datetime | None
    """When the first of the later ones may be tried again."""
    next_expiry: datetime | None
    """When the first lease ends if nobody beats for it."""

    @property
    def total(self) -> int:
        """Every page that is not at rest."""
        return self.pending_due + self.pending_later + self.leased
