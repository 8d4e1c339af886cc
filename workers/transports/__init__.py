"""How hints travel: our own SQLite broker for one machine, Redis with two guards for several.

A message is never a page: losing one costs a second, so neither has to be perfect, only to go on.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES


def register() -> None:
    """Make kombu know `pagemill+sqlite://`, and take the guarded transport for `redis://`."""
    TRANSPORT_ALIASES["pagemill"] = "workers.transports.sqlite:Transport"
    TRANSPORT_ALIASES["redis"] = "workers.transports.guarded_redis:Transport"
    TRANSPORT_ALIASES["rediss"] = "workers.transports.guarded_redis:Transport"
