"""kombu's Redis transport with two guards; pinned to kombu 5.7, whose private names it overrides.

1. An acknowledgement that fails because the server is away must still free the prefetch slot. The
   stock QoS keeps it, `can_consume` is then false for ever at prefetch 1, nobody reads the socket
   again, and the worker never learns that the server is back.
2. A message that cannot be decoded must not end the worker that meets it, nor the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from queue import Empty
from typing import Any

import structlog
from kombu.transport import redis, virtual

from workers.transports.undecodable import UNDECODABLE

DEAD_LETTERS = "pagemill:deadletter"
KEPT_DEAD_LETTERS = 1000
log = structlog.get_logger()


class QoS(redis.QoS):
    """Frees the slot of a message whatever the server says; it redelivers after its timeout."""

    channel: Any

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge; the error still rises, so that the loop reconnects."""
        try:
            super().ack(delivery_tag)
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject, with the same guard."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise


class Channel(redis.Channel):
    """Puts an envelope that is no JSON aside."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return self._super_read(**options)
        except UNDECODABLE as error:
            self.bury(getattr(error, "doc", ""), error)
            raise Empty from None

    def _super_read(self, **options: Any) -> Any:
        read: Callable[..., Any] = getattr(super(), "_brpop_read")  # noqa: B009 (not in the stubs)
        return read(**options)

    def bury(self, message: object, error: Exception) -> None:
        """Keep the message where a person can look at it: the newest thousand, in a list."""
        log.warning("message_buried", reason=repr(error)[:200])
        letter = json.dumps({"reason": repr(error)[:200], "message": message}, default=repr)
        with self.conn_or_acquire() as client:
            client.lpush(DEAD_LETTERS, letter)
            client.ltrim(DEAD_LETTERS, 0, KEPT_DEAD_LETTERS - 1)


class Transport(redis.Transport):
    """Puts a message aside that Celery cannot make a task of."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> Any:
        try:
            return super()._deliver(message, queue)
        except UNDECODABLE as error:
            self._bury(message, error)
            return None

    def _bury(self, message: Any, error: Exception) -> None:
        channels: Iterable[Any] = self.channels or ()
        channel = next((c for c in channels if c.active_queues), None)
        if channel is None:
            raise error
        channel.bury(message, error)
        tag = _tag(message)
        if tag in channel.qos._delivered:
            channel.qos.ack(tag)


def _tag(message: Any) -> str | None:
    try:
        tag = message["properties"]["delivery_tag"]
    except UNDECODABLE:
        return None
    return tag if isinstance(tag, str) else None
