"""Offers waiting pages to the workers, and takes pages back from workers that are gone.

Both derive everything from the ledger, so they may run in many processes at a time, be killed at
any moment, and find a broker that forgot everything: the next look puts it right.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from storage import documents, ledger
from storage.schema import LANES
from workers.application import READ_PAGES, make_app
from workers.faults import EnvironmentFault, environment_faults
from workers.identity import is_dead
from workers.services import Services
from workers.waiting import due_pages, lease_owners

log = structlog.get_logger()


class Dispatcher:
    """Publishes hints: never more than there are workers to take one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        self._app = make_app(services.settings)
        self._connection = _connect(self._app)
        self._broker_errors: tuple[type[BaseException], ...] = (
            OperationalError,
            *self._connection.connection_errors,
        )

    def offer(self) -> int:
        """Publish a hint for each idle worker there may be work for; how many were published.

        Raises EnvironmentFault if the broker or the database is away.
        """
        with environment_faults(), self._services.reading() as session:
            due = due_pages(session, self._settings.queue, self._settings.jobs)
        if not due:
            return 0
        try:
            missing = due - self._queued()
            for _ in range(missing):
                self._app.send_task(READ_PAGES, args=[LANES[-1]], queue=self._settings.queue)
        except self._broker_errors as error:
            raise EnvironmentFault(
                "broker_unavailable",
                f"The broker does not answer: {error}.",
                "Check --broker; pages wait in the database until it is back.",
            ) from error
        return max(missing, 0)

    def close(self) -> None:
        """Leave the broker."""
        self._connection.release()
        self._app.close()

    def _queued(self) -> int:
        """Hints nobody has taken yet."""
        channel: Any = self._connection.default_channel
        try:
            declared = channel.queue_declare(queue=self._settings.queue, passive=True)
        except self._connection.channel_errors:  # no worker has ever declared it: it is empty
            return 0
        return int(declared.message_count)


def _connect(app: Celery) -> Any:
    """A connection, not yet established; raises a lasting EnvironmentFault for a wrong URL."""
    try:
        connection = app.connection_for_write()
        connection.transport_cls  # noqa: B018 (looks the transport up)
    except (KeyError, ValueError, ImportError) as error:
        raise EnvironmentFault(
            "broker_unusable",
            f"The broker cannot be used: {error}.",
            "Check --broker, and that the package for this kind of broker is installed.",
            lasting=True,
        ) from error
    return connection


def reap(services: Services) -> int:
    """Take back the pages of workers that are dead or silent; how many.

    A worker of this machine is known to be dead at once, others by their lease. Raises
    EnvironmentFault.
    """
    with environment_faults():
        with services.reading() as session:
            owners = lease_owners(session)
        dead = [owner for owner in owners if is_dead(owner)]
        if not dead and all(until >= datetime.now(UTC) for until in owners.values()):
            return 0
        with services.session.begin() as session:
            taken_back = ledger.reap(session, dead_workers=dead)
    log.info("pages_taken_back", pages=taken_back, dead_workers=dead)
    return taken_back


def settle(services: Services) -> None:
    """Close documents whose last pages came to rest unseen by each other."""
    with environment_faults(), services.session.begin() as session:
        documents.settle(session)
