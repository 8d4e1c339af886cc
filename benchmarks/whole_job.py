"""`pagemill run -j 2` on 60 mixed real pages: pages per minute, memory and where CPU time goes.

    PAGEMILL_EVAL_DATA=…/data python -m benchmarks.whole_job --work FOLDER --write-docs

The job is the command a user types, started from nothing: imports, models and tables included.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks import machine
from benchmarks.datasets import data_folder
from benchmarks.environments import pagemill, work_folder
from benchmarks.job_inbox import PAGES, fill
from benchmarks.process_tree import JobUse, run_watched
from benchmarks.record import Result, keep, last, write_docs
from benchmarks.replay import storage_seconds
from benchmarks.tables import markdown, number
from storage.database import open_database
from storage.schema import Page

ROLES = ("supervisor", "celery parent", "worker", "zygote", "sandbox child")
OVERHEAD = ("ingest", "ledger and storage")
MIB = 1024 * 1024


def main() -> None:
    options = _options()
    if not options.show:
        keep("whole_job", measure(data_folder(), work_folder(options.work), options.jobs))
    result = last("whole_job")
    print("\n\n".join(tables(result).values()))
    if options.write_docs:
        note = f"Measured {result['measured_at'][:10]} on {result['machine']}."
        write_docs(tables(result), note)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, help="folder of environments and predictions")
    parser.add_argument("--jobs", "-j", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="only print the last result")
    parser.add_argument("--write-docs", action="store_true", help="fill docs/benchmarks.md")
    return parser.parse_args()


def measure(data: Path, work: Path, jobs: int) -> Result:
    """Run the job in an empty folder and account for its time."""
    folder = Path(tempfile.mkdtemp(prefix="job-", dir=work))
    fill(folder / "inbox", data, work)
    database = folder / "pagemill.db"
    command = [pagemill(), "run", "-j", str(jobs), "inbox"]
    used = run_watched([*command, "--database", f"sqlite:///{database}"], folder)
    states, stages = read_pages(database)
    if used.status != 0 or states != {"done": PAGES}:
        raise SystemExit(f"the job ended with status {used.status}: {states}; see {folder}")
    storage = storage_seconds(database, folder / "again.db")
    shutil.rmtree(folder)
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "jobs": jobs,
        "pages": PAGES,
        "seconds": used.seconds,
        "cpu": used.cpu,
        "parts": split(used, sum(stages.values()), storage),
        "stages": stages,
        "peak_mib": {role: used.peak(role) / MIB for role in ROLES},
        "processes": {role: sum(s.role == role for s in used.processes) for role in ROLES},
    }


def read_pages(database: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Pages by state, and the reader's CPU seconds by stage, from a job's database."""
    engine = open_database(f"sqlite:///{database}", readonly=True)
    states: dict[str, int] = {}
    stages: dict[str, float] = {}
    with Session(engine) as session:
        for state, seconds in session.execute(select(Page.state, Page.stage_seconds)):
            states[state] = states.get(state, 0) + 1
            for stage, spent in (seconds or {}).items():
                stages[stage] = stages.get(stage, 0.0) + spent
    engine.dispose()
    return states, stages


def split(used: JobUse, reading: float, storage: float) -> dict[str, float]:
    """CPU seconds of the job by what they were spent on; they add up to the whole.

    Ingest is what the zygotes took and the children they waited for, queue is Celery's parent
    process. What is left is the start of the workers (imports, models) and all between the parts.
    """
    parts = {
        "reader": reading,
        "ingest": used.role_cpu("zygote") + used.children_cpu("zygote"),
        "ledger and storage": storage,
        "queue": used.role_cpu("celery parent"),
        "supervisor": used.role_cpu("supervisor"),
    }
    return {**parts, "start of the workers and the rest": used.cpu - sum(parts.values())}


def tables(result: Result) -> dict[str, str]:
    """The tables of a result by the name of their place in the document."""
    rate = 60 * result["pages"] / result["seconds"]
    total = [
        ["pages", str(result["pages"])],
        ["worker processes", str(result["jobs"])],
        ["wall seconds", number(result["seconds"], 1)],
        ["CPU seconds", number(result["cpu"], 1)],
        ["pages per minute", number(rate, 1)],
        ["CPU seconds a page", number(result["cpu"] / result["pages"], 2)],
    ]
    overhead = sum(result["parts"][name] for name in OVERHEAD)
    parts = [
        [name, number(seconds, 1), f"{100 * seconds / result['cpu']:.1f} %"]
        for name, seconds in {**result["parts"], " + ".join(OVERHEAD): overhead}.items()
    ]
    memory = [
        [role, str(result["processes"][role]), number(result["peak_mib"][role], 0)]
        for role in ROLES
    ]
    return {
        "job-total": markdown(["60 mixed pages", "figure"], total),
        "job-parts": markdown(["part", "CPU s", "share"], parts),
        "job-memory": markdown(["process", "how many", "peak MiB of the largest"], memory),
    }


if __name__ == "__main__":
    main()
