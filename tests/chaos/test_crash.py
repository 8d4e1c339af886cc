"""kill -9 of anything, at any moment, then the same command again: every page is read once."""

import random
import signal
import time
from typing import Any

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
PAGES, KILLS = 100, 24


def test_a_job_that_is_killed_again_and_again_reads_every_page_once(
    job: Any, expected: list[tuple]
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    killed = []
    for number in range(KILLS):
        if number % 2:  # while pages are read
            job.run_until(number * (PAGES - 10) // KILLS)
            time.sleep(chance.uniform(0, 0.5))
        else:  # whatever is going on: often a start
            job.run_until(0)
            time.sleep(chance.uniform(0, 3))
        killed.append(job.kill_something(chance))
    print(*killed)
    assert sum(name != "" for name in killed) >= 20
    job.finish()
    job.check_all_read_once(expected)


def test_a_run_goes_on_when_one_of_its_processes_is_killed(job: Any, expected: list[tuple]) -> None:
    job.start()
    for pages, processes in ((10, job.pool), (30, job.zygotes), (50, job.workers)):
        job.run_until(pages)
        processes()[0].kill()
    job.finish()  # the same process as at the beginning: it ends well by itself
    job.check_all_read_once(expected)
    assert job.starts == 1


def test_a_worker_that_was_stopped_beyond_its_lease_changes_nothing(
    job: Any, expected: list[tuple]
) -> None:
    job.settings["PAGEMILL_LEASE_SECONDS"] = "1.5"
    job.start()
    for pages in range(10, 90, 10):
        job.run_until(pages)
        sleeper = job.pool()[0]
        sleeper.suspend()
        losses = job.count("SELECT count(*) FROM attempts WHERE outcome = 'lease_lost'")
        job.wait_for_attempts("lease_lost", losses + 1, seconds=5.0)  # it may have held nothing
        sleeper.resume()
        if job.wait_for_attempts("fenced", 1, seconds=1.0):
            break
    job.finish()
    assert job.count("SELECT count(*) FROM attempts WHERE outcome = 'fenced'") > 0
    job.check_all_read_once(expected)


def test_a_run_that_is_told_to_end_gives_its_pages_back_and_can_go_on(
    job: Any, expected: list[tuple]
) -> None:
    for pages, number in ((20, signal.SIGINT), (50, signal.SIGTERM)):
        job.run_until(pages)
        job.process.send_signal(number)
        assert job.wait() == 130
        assert job.query("SELECT DISTINCT state FROM pages ORDER BY 1") == [("done",), ("pending",)]
        assert job.count("SELECT count(*) FROM attempts WHERE outcome = 'lease_lost'") == 0
    job.finish()
    job.check_all_read_once(expected)
