"""Logs are events with fields; ours and those of the libraries come out the same way, on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import TextIO

import structlog

_QUIET_LIBRARIES = (
    *("alembic", "amqp", "billiard", "kombu", "PIL"),
    *("celery.app.trace", "celery.worker.strategy", "celery.worker.consumer"),
)
"""Below a warning they tell of every message that comes and goes."""


def set_up_logs(level: str = "INFO", *, json: bool = False, stream: TextIO | None = None) -> None:
    """Send every event of `level` and above to `stream` (stderr), as JSON or for a person."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(json, handler.stream),
            ],
        )
    )
    _take_over(handler, level)


def _rendering(json: bool, stream: TextIO) -> Iterable[structlog.typing.Processor]:
    """The last steps; tracebacks without local variables: they hold texts and passwords."""
    if json:
        return (
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        )
    plain = structlog.dev.plain_traceback
    return (structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain),)


def _take_over(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
