"""The Celery tasks: a name, a policy, one call. What they do is in workers.pipeline.

Only faults of the machine are tried again by Celery; whatever is wrong with a file or a page is
in the database when the task ends.
"""

from __future__ import annotations

import time

import structlog

from workers import pipeline
from workers.app import app
from workers.application import READ_PAGES, TAKE_IN
from workers.dispatcher import reap
from workers.faults import EnvironmentFault
from workers.pool_process import services

LONGEST_PAUSE_SECONDS = 30.0
TAKE_IN_SECONDS = 3600
log = structlog.get_logger()
_faults_in_a_row = 0
_promised_at = 0.0


@app.task(
    name=TAKE_IN,
    autoretry_for=(EnvironmentFault,),
    retry_backoff=True,
    retry_backoff_max=60,
    max_retries=100,
    retry_on_worker_lost=True,
    acks_on_timeout=False,
    time_limit=TAKE_IN_SECONDS,
)
def take_in(uri: str) -> None:
    """Take in the document at a path or URI and offer its pages to the workers."""
    try:
        taken = pipeline.take_in_uri(uri, services())
        if taken.pages:
            read_pages.delay(services().settings.lane)
    except EnvironmentFault as fault:
        fault.log(task=TAKE_IN)
        raise
    except Exception:  # the border of the task: nothing may reach Celery's own handling
        log.exception("task_failed", task=TAKE_IN, uri=uri)


@app.task(name=READ_PAGES)
def read_pages(lane: str = "normal") -> None:
    """Claim and read waiting pages of this lane and the more urgent ones, for a while."""
    global _faults_in_a_row
    try:
        reap(services())
        pipeline.read_pages(services(), lane)
        _faults_in_a_row = 0
        if not services().stop.is_set():
            _offer_the_rest(lane)
    except EnvironmentFault as fault:
        _faults_in_a_row += 1
        fault.log(task=READ_PAGES)
        # Whoever sends the next hint does not know; without this pause the fault is a hot loop.
        services().stop.wait(min(2.0 ** (_faults_in_a_row - 1), LONGEST_PAUSE_SECONDS))
    except Exception:  # the border of the task
        log.exception("task_failed", task=READ_PAGES)


def _offer_the_rest(lane: str) -> None:
    """Send a hint for the pages that are left: now, or once for when the next may be tried again.

    Supervisors send hints all the time; a Celery worker without one must not wait for the next.
    """
    global _promised_at
    wait = pipeline.next_page_in(services())
    if wait is None or (wait and time.monotonic() < _promised_at):
        return
    _promised_at = time.monotonic() + wait
    read_pages.apply_async((lane,), countdown=wait)
