"""What Celery's processes do at their birth and end; imported by the application's processes.

The parent only forks and passes messages. A child (pool process) builds its services when its
first task needs them, stops at the border of a page when it is told to, and dies with its parent.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import billiard.process
import structlog
from celery import signals

from workers.lifeline import die_with_parent
from workers.logs import set_up_logs
from workers.services import Services
from workers.settings import Settings

STOP = signal.SIGUSR2
"""Tells a child to end its task at the border of the page."""
_worker: list[Any] = []
_services: dict[int, Services] = {}


def services() -> Services:
    """The services of this process; made anew after a fork."""
    return _services.setdefault(os.getpid(), Services(_settings()))


def _settings() -> Settings:
    from workers.app import settings

    return settings


@signals.setup_logging.connect(weak=False)
def _set_up_logs(loglevel: Any = "INFO", **_: Any) -> None:
    set_up_logs(loglevel, json=_settings().log_format == "json")


@signals.worker_init.connect(weak=False)
def _remember_worker(sender: Any, **_: Any) -> None:
    _worker[:] = [sender]


@signals.worker_process_init.connect(weak=False)
def _begin_child(**_: Any) -> None:
    if billiard.process.current_process().name != "MainProcess":
        die_with_parent(os.getppid())
    signal.signal(STOP, lambda *_: services().stop.set())


@signals.worker_process_shutdown.connect(weak=False)
def _end_child(**_: Any) -> None:
    if found := _services.pop(os.getpid(), None):
        found.close()


@signals.worker_shutting_down.connect(weak=False)
def _stop_children(**_: Any) -> None:
    """A task may use up its time budget; a worker that is asked to end has no such time."""
    pool = getattr(_worker[0], "pool", None) if _worker else None
    for number in pool.info.get("processes", ()) if pool else ():
        _tell_to_stop(number)


def _tell_to_stop(number: int) -> None:
    try:
        os.kill(number, STOP)
    except ProcessLookupError:
        structlog.get_logger().debug("child_already_ended", pid=number)
