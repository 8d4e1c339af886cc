"""The embedded broker as a kombu transport: no server, several processes, survives kill -9.

The stock `filesystem://` and `sqla+sqlite://` lose the message in hand when their reader is
killed; here a message is only hidden while it is in hand, and deleted by its acknowledgement.
"""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import structlog
from kombu.transport import virtual
from kombu.utils.url import url_to_parts

from workers.transports.message_store import MessageStore, Taken
from workers.transports.undecodable import UNDECODABLE

VISIBILITY_SECONDS = 120.0
POLLING_SECONDS = 0.05
log = structlog.get_logger()


class QoS(virtual.QoS):
    """Acknowledge deletes, reject shows the message again (or deletes it)."""

    channel: Channel
    _delivered: OrderedDict[str, Any]
    _flush: Callable[[], None]
    restore_at_shutdown = True

    def ack(self, delivery_tag: str) -> None:
        """Delete the message."""
        super().ack(delivery_tag)  # frees the slot even if the file is away: it is hidden anyway
        self.channel.store.delete(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Show the message to the next reader, or delete it."""
        super().ack(delivery_tag)
        settle = self.channel.store.release if requeue else self.channel.store.delete
        settle(delivery_tag)

    def restore_unacked(self) -> Any:
        """Show everything in hand again; returns what could not be: nothing, time does the same."""
        self._flush()
        for tag in list(self._delivered):
            self.channel.store.release(tag)
        self._delivered.clear()
        return []


class Channel(virtual.Channel):
    """Messages of one connection."""

    QoS = QoS
    connection: Transport
    qos: Any
    do_restore = True
    supports_fanout = False

    @property
    def store(self) -> MessageStore:
        """The broker's file; one for each transport."""
        return self.connection.store

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        tag = message["properties"]["delivery_tag"]
        self.store.put(queue, tag, json.dumps(message), self._get_message_priority(message))

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        taken = self._take(queue)
        try:
            return _decode(taken)
        except UNDECODABLE as error:
            self._bury(taken, error)
            raise Empty from None

    def _get_and_deliver(self, queue: str, callback: Callable[[Any, str], None]) -> None:
        """Hand a message over; one that nobody can make sense of ends here, not its reader."""
        taken = self._take(queue)
        try:
            callback(_decode(taken), queue)
        except UNDECODABLE as error:
            self._bury(taken, error)

    def _take(self, queue: str) -> Taken:
        taken = self.store.take(queue, self.connection.visibility_seconds)
        if taken is None:
            raise Empty
        return taken

    def _bury(self, taken: Taken, error: Exception) -> None:
        log.warning("message_buried", tag=taken.tag, reason=repr(error)[:200])
        if taken.tag in self.qos._delivered:
            virtual.QoS.ack(self.qos, taken.tag)
        self.store.bury(taken.tag, repr(error)[:200])

    def _size(self, queue: str) -> int:
        return self.store.size(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)


class Transport(virtual.Transport):
    """`pagemill+sqlite:////absolute/path/broker.db`."""

    Channel = Channel
    cycle: Any
    can_parse_url = True
    driver_type = "sqlite"
    driver_name = "sqlite3"
    polling_interval = POLLING_SECONDS
    # asynchronous: Celery then gives each pool process its own pipe. Without it they share one
    # behind a lock, and a process killed while it waits keeps the lock for ever.
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset({"direct"})
    )
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.OperationalError)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        options = client.transport_options or {}
        self.visibility_seconds = float(options.get("visibility_timeout", VISIBILITY_SECONDS))
        self.store = MessageStore(_path(client.hostname))

    def driver_version(self) -> str:
        """The version of the SQLite library."""
        return sqlite3.sqlite_version

    def close_connection(self, connection: Any) -> None:
        """Give back what is in hand and close the file."""
        super().close_connection(connection)
        self.store.close()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Look for messages at each tick of the worker's loop."""
        loop.call_repeatedly(self.polling_interval, self._deliver_waiting)

    def _deliver_waiting(self) -> None:
        """Deliver until no message waits or no slot is free."""
        try:
            while True:
                self.cycle.get(self._deliver)
        except Empty:
            return


def _decode(taken: Taken) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(taken.payload)
    message["properties"]["delivery_tag"] = taken.tag
    return message


def _path(url: str) -> Path:
    return Path("/" + (url_to_parts(url).path or "").lstrip("/"))
