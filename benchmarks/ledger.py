"""How fast pages go through the ledger: claim and finish, with several processes.

    python -m benchmarks.ledger
    python -m benchmarks.ledger --processes 8 16 --work 0.2     # as busy as with OCR
    python -m benchmarks.ledger --postgresql                    # on a server of its own

Every process claims a page, pretends to read it for --work seconds and stores --lines lines of
eight words with boxes, as workers do. Nothing else is measured: no file is opened, no model runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from benchmarks.servers.postgres import PostgresServer
from ocr_core.page import TextLine, Word, quad_of
from storage import ledger
from storage.database import (
    database_path,
    is_file,
    migrate,
    open_database,
    session_factory,
)
from storage.documents import SourceRef, add_document
from storage.results import SavedPage

FORK = multiprocessing.get_context("fork")
SENTENCES = (
    "The quick brown fox jumps over the dog",
    "增值税 发票 是指 由 国家 税务局 监制 的",
)


@dataclass(frozen=True, slots=True)
class PageNo:
    """A page of a file."""

    page_no: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process saw: seconds of each call."""

    claims: list[float]
    finishes: list[float]
    cpu_seconds: float


def sample_page(lines: int) -> SavedPage:
    """A page with lines of eight words, half of them English and half Chinese."""
    texts = [SENTENCES[number % len(SENTENCES)] for number in range(lines)]
    return SavedPage(
        width=1654,
        height=2339,
        dpi=200.0,
        text_source="ocr",
        lines=[sample_line(text, 40.0 * number) for number, text in enumerate(texts)],
        seconds=1.0,
        stage_seconds={"detect": 0.4, "recognise": 0.6},
        image_sha256="0" * 64,
    )


def sample_line(text: str, top: float) -> TextLine:
    """One line, each word of it 150 x 30 pixels."""
    words = tuple(
        Word(word, quad_of((160.0 * number, top, 160.0 * number + 150, top + 30)), 0.98)
        for number, word in enumerate(text.split())
    )
    return TextLine(text, quad_of((0, top, 1280, top + 30)), 0.98, words)


def fill(url: str, pages: int) -> None:
    engine = open_database(url)
    migrate(engine)
    with session_factory(engine).begin() as session:
        for number in range(0, pages, 100):
            count = min(100, pages - number)
            add_document(
                session,
                sha256=f"{number:064x}",
                size=1,
                media_type="application/pdf",
                source=SourceRef(f"file:///{number}.pdf", f"{number}.pdf", "1"),
                pages=[PageNo(page_no) for page_no in range(1, count + 1)],
                file_pages=count,
            )
    engine.dispose()


def work(url: str, options: argparse.Namespace, start: Any, answers: Any) -> None:
    """Claim, pretend and finish until nothing is left; send what it took."""
    sessions = session_factory(open_database(url))
    saved = sample_page(options.lines)
    claims: list[float] = []
    finishes: list[float] = []
    start.wait()
    before = time.process_time()
    while True:
        began = time.perf_counter()
        with sessions.begin() as session:
            leases = ledger.claim(
                session, worker=f"w{os.getpid()}", limit=options.batch, lease_seconds=600
            )
        claims.append(time.perf_counter() - began)
        if not leases:
            break
        for lease in leases:
            time.sleep(options.work)
            began = time.perf_counter()
            with sessions.begin() as session:
                ledger.finish(session, lease, saved)
            finishes.append(time.perf_counter() - began)
    answers.put(Measured(claims, finishes, time.process_time() - before))


def measure(url: str, processes: int, options: argparse.Namespace) -> list[str]:
    """Run one configuration; returns its row of the table."""
    fill(url, options.pages)
    start, answers = FORK.Barrier(processes + 1), FORK.Queue()
    children = [
        FORK.Process(target=work, args=(url, options, start, answers)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    start.wait()
    began = time.perf_counter()
    seen: list[Measured] = [answers.get() for _ in children]
    seconds = time.perf_counter() - began
    for child in children:
        child.join()
    claims = [value for one in seen for value in one.claims]
    finishes = [value for one in seen for value in one.finishes]
    return [
        str(processes),
        f"{len(finishes) / seconds:.0f}",
        f"{1 / statistics.fmean(claims):.0f}",
        f"{1 / statistics.fmean(finishes):.0f}",
        f"{milliseconds(claims, 50)} / {milliseconds(claims, 99)}",
        f"{milliseconds(finishes, 50)} / {milliseconds(finishes, 99)}",
        f"{1000 * sum(one.cpu_seconds for one in seen) / len(finishes):.1f}",
        f"{weight(url) / 1024 / len(finishes):.0f}",
    ]


def weight(url: str) -> int:
    """Bytes of the whole database."""
    if is_file(url):
        return database_path(url).stat().st_size
    engine = open_database(url)
    with engine.connect() as connection:
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    engine.dispose()
    return int(size)


@contextmanager
def databases(options: argparse.Namespace) -> Iterator[Callable[[int], str]]:
    """Where the database of a configuration is to be made."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if not options.postgresql:
            yield lambda processes: f"sqlite:///{folder}/{processes}.db"
            return
        with PostgresServer(durable=True) as server:

            def created(processes: int) -> str:
                server.execute(f"CREATE DATABASE with{processes}")
                return server.url(f"with{processes}")

            yield created


def milliseconds(values: Sequence[float], percent: int) -> str:
    ordered = sorted(values)
    return f"{1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]:.1f}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--pages", type=int, default=400, help="pages of each run")
    parser.add_argument("--lines", type=int, default=50, help="lines of a page")
    parser.add_argument("--batch", type=int, default=1, help="pages of a claim")
    parser.add_argument("--work", type=float, default=0.0, help="seconds of pretended reading")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--folder", type=Path, help="where to make the databases; temporary")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    table = Table("processes", "pages/s", "claims/s each", "finishes/s each")
    table.add_column("claim p50 / p99 ms")
    table.add_column("finish p50 / p99 ms")
    table.add_column("CPU ms/page")
    table.add_column("kB/page")
    with databases(options) as url_of:
        for processes in options.processes:
            table.add_row(*measure(url_of(processes), processes, options))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(
        f"{options.pages} pages of {options.lines} lines, {options.work:g} s of work, "
        f"claims of {options.batch}; "
        f"{'PostgreSQL' if options.postgresql else f'SQLite {sqlite3.sqlite_version}'}, "
        f"{os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
