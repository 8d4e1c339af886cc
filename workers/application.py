"""How Celery is set up. Making an application opens nothing and imports no engine."""

from __future__ import annotations

from typing import Any

from celery import Celery

from workers.settings import Settings
from workers.transports import register

TAKE_IN = "pagemill.take_in"
READ_PAGES = "pagemill.read_pages"
SLACK_SECONDS = 60.0
"""What a task may take beyond its own budget and the time of one page before it is killed."""


def make_app(settings: Settings) -> Celery:
    """A Celery application with these settings and our tasks."""
    register()
    app = Celery("pagemill", set_as_current=False)
    app.conf.update(_configuration(settings))
    return app


def _configuration(settings: Settings) -> dict[str, Any]:
    """Late acknowledgement, one message a slot, JSON only, no results: the ledger holds those."""
    return {
        "broker_url": settings.celery_broker,
        "broker_transport_options": _transport_options(settings.celery_broker),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "imports": ("workers.tasks", "workers.pool_process"),
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_default_queue": settings.queue,
        "task_acks_late": True,
        "task_time_limit": settings.drain_seconds + settings.page_seconds + SLACK_SECONDS,
        "worker_prefetch_multiplier": 1,
        "worker_concurrency": settings.jobs,
        "worker_max_memory_per_child": settings.worker_memory_mb * 1024,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": settings.drain_seconds,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_proc_alive_timeout": SLACK_SECONDS,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _transport_options(broker: str) -> dict[str, Any]:
    """A hint is short: who has not ended it after two minutes is dead."""
    if broker.startswith("pagemill+"):
        return {"visibility_timeout": 120.0}
    if broker.startswith(("redis", "rediss")):
        return {
            "visibility_timeout": 120,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "health_check_interval": 10,
            "socket_timeout": 10,
            "socket_keepalive": True,
        }
    return {}
