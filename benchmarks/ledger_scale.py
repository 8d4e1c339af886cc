"""Whether claims stay as fast when a million pages are done: SQLite and PostgreSQL, many claimers.

    python -m benchmarks.ledger_scale
    python -m benchmarks.ledger_scale --done 10000 --seconds 3 --claimers 2

Beside the pages that are done wait enough others; every process claims one at a time, as fast as
it can, each claim a transaction of its own that is synced to disk. Nothing is read.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import text

from benchmarks import record
from benchmarks.machine import describe
from benchmarks.search import percentile
from benchmarks.servers.postgres import PostgresServer
from benchmarks.tables import markdown
from storage import ledger
from storage.database import migrate, open_database, session_factory

FORK = multiprocessing.get_context("fork")
PAGES_A_DOCUMENT = 50
WAITING = 60_000
"""More than all claimers together take in their time."""
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
_DOCUMENTS = f"""{_NUMBERS}
INSERT INTO documents (id, sha256, media_type, page_count, state, taken_in_at)
SELECT i, CAST(i AS text), 'application/pdf', {PAGES_A_DOCUMENT},
       CASE WHEN i > :done THEN 'reading' ELSE 'done' END, CAST(:now AS {{time}}) FROM n
"""
_SOURCES = """
INSERT INTO sources (document_id, uri, name, key, version, first_seen_at, last_seen_at)
SELECT id, 'file:///' || id, '/' || id, CAST(id AS text), '1', taken_in_at, taken_in_at
  FROM documents
"""
_PAGES = f"""{_NUMBERS}
INSERT INTO pages (document_id, page_no, state, queue, lane, sched_rank, due_at, suspect,
                   attempts, failures, blamed, lease_losses, lease_token)
SELECT d.id, i, CASE d.state WHEN 'done' THEN 'done' ELSE 'pending' END, 'cpu', 1, i / 16,
       d.taken_in_at, {{no}}, 0, 0, 0, 0, 0
  FROM documents d CROSS JOIN n ORDER BY d.id, i
"""


def fill(url: str, done: int) -> None:
    """Make the tables, with pages that are done and pages that wait."""
    engine = open_database(url)
    migrate(engine)
    on_sqlite = engine.dialect.name == "sqlite"
    time_type, no = ("text", "0") if on_sqlite else ("timestamptz", "false")
    documents = {
        "count": (done + WAITING) // PAGES_A_DOCUMENT,
        "done": done // PAGES_A_DOCUMENT,
        "now": "2026-01-01 00:00:00.000000Z",
    }
    with engine.begin() as connection:
        connection.execute(text(_DOCUMENTS.format(time=time_type)), documents)
        connection.execute(text(_SOURCES))
        connection.execute(text(_PAGES.format(no=no)), {"count": PAGES_A_DOCUMENT})
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


def claim(url: str, seconds: float, start: Any, answers: Any) -> None:
    """Claim pages for so long; send how long each claim took."""
    sessions = session_factory(open_database(url))
    with sessions() as session:
        session.execute(text("SELECT 1"))
    took: list[float] = []
    start.wait()
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        with sessions.begin() as session:
            leases = ledger.claim(session, worker=f"w{os.getpid()}", lease_seconds=600)
        if not leases:
            break
        took.append(time.perf_counter() - began)
    answers.put(took)


def measure(url: str, claimers: int, seconds: float) -> dict[str, float]:
    """Let so many processes claim at once."""
    start, answers = FORK.Barrier(claimers), FORK.Queue()
    children = [
        FORK.Process(target=claim, args=(url, seconds, start, answers)) for _ in range(claimers)
    ]
    for child in children:
        child.start()
    took = [each for _ in children for each in answers.get()]
    for child in children:
        child.join()
    return {
        "claims_a_second": len(took) / seconds,
        "p50_ms": 1000 * percentile(took, 50),
        "p99_ms": 1000 * percentile(took, 99),
    }


def series(url_of: Any, done: int, claimers: Sequence[int], seconds: float) -> dict[str, Any]:
    """Measure each number of claimers on a database of its own kind, filled alike."""
    measured = {}
    for count in claimers:
        url = url_of(f"d{done}c{count}")
        fill(url, done)
        measured[str(count)] = measure(url, count, seconds)
    return measured


def results(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Both databases, at each number of pages that are done."""
    found: dict[str, Any] = {"machine": describe(), "seconds": options.seconds}
    found["load"] = os.getloadavg()[0]
    with PostgresServer(durable=True, shared_buffers="512MB", max_connections="200") as server:

        def created(name: str) -> str:
            server.execute(f"CREATE DATABASE {name}")
            return server.url(name)

        for done in options.done:
            found[str(done)] = {
                "SQLite": series(
                    lambda name: f"sqlite:///{folder}/{name}.db", done, [4], options.seconds
                ),
                "PostgreSQL": series(created, done, options.claimers, options.seconds),
            }
    return found


def table(found: dict[str, Any], done: Sequence[int]) -> str:
    """One row for each number of claimers, columns by pages that are done."""
    header = ["database, claimers"]
    header += [f"{count:,} done: claims/s, p50 / p99 ms" for count in done]
    rows = []
    for database, counts in found[str(done[0])].items():
        for claimers in counts:
            cells = [found[str(count)][database][claimers] for count in done]
            shown = [
                f"{cell['claims_a_second']:.0f}, {cell['p50_ms']:.1f} / {cell['p99_ms']:.1f}"
                for cell in cells
            ]
            rows.append([f"{database}, {claimers}", *shown])
    return markdown(header, rows)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--done", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--claimers", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="where to make the databases; temporary")
    parser.add_argument("--keep", action="store_true", help="keep the result in the repository")
    parser.add_argument("--write-docs", action="store_true", help="write the kept result's table")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = results(options, Path(folder))
    if options.keep:
        record.keep("ledger_scale", found)
    note = f"{found['machine']}, {options.seconds:g} s each, load {found['load']:.1f} at the start."
    shown = table(found, options.done)
    if options.write_docs:
        record.write_docs({"ledger-scale": shown}, note)
    console = Console(width=160)
    console.print(note)
    console.print(shown, markup=False)


if __name__ == "__main__":
    main()
