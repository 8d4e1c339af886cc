"""A Celery application with one task, for the tests of the transports: it notes that it ran."""

import os
import time
from pathlib import Path

from celery import Celery

from workers.transports import register

register()
app = Celery("hints", set_as_current=False)
app.conf.update(
    broker_url=os.environ["HINTS_BROKER"],
    broker_transport_options={
        "visibility_timeout": 4,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "health_check_interval": 5,
        "socket_timeout": 5,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    accept_content=["json"],
    task_default_queue="cpu",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


@app.task(name="hints.note")
def note(text: str, seconds: float = 0.0) -> None:
    with Path(os.environ["HINTS_NOTES"]).open("a") as file:
        file.write(f"begin {text}\n")
    time.sleep(seconds)
    with Path(os.environ["HINTS_NOTES"]).open("a") as file:
        file.write(f"end {text}\n")
