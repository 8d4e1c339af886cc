"""How fast full text is found, and what its index weighs, on SQLite and PostgreSQL.

    python benchmarks/search.py                      # a million lines, ten minutes
    python benchmarks/search.py --lines 100000 --keep --write-docs

The lines are made up, half English and half Chinese: words of an invented vocabulary, as frequent
as Zipf's law has them, on pages of 40 lines. The questions are words and phrases that stand in the
lines, chosen by chance, so frequent words are asked for as often as they are printed. A question
is timed from its text to the hits with their lines, boxes and snippets, as `pagemill search` does:
the time that passes, and the time processors spend on it here and in the server, which does not
depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from rich.console import Console
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks import record
from benchmarks.machine import describe
from benchmarks.servers.postgres import PostgresServer
from benchmarks.tables import markdown
from ocr_core.page import TextLine, quad_of
from storage.copying import copy_database
from storage.database import migrate, open_database, session_factory
from storage.results import SavedPage, prepare
from storage.schema import Document, Line, Page, PageText, table_of
from storage.search import search
from storage.times import utc_now

LINES_A_PAGE = 40
PAGES_A_DOCUMENT = 50
PAGES_A_TURN = 500
VOCABULARY = 60_000


class Corpus:
    """Made-up words of both languages, and lines of them."""

    def __init__(self, seed: int = 1) -> None:
        chance = random.Random(seed)
        parts = [a + b for a in "bcdfghklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er")]
        lengths = chance.choices([1, 2, 3, 4], [1, 5, 4, 2], k=VOCABULARY)
        self.english = ["".join(chance.choices(parts, k=length)) for length in lengths]
        characters = [chr(0x4E00 + chance.randrange(20_000)) for _ in range(3_500)]
        weights = [1 / (rank + 10) for rank in range(len(characters))]
        sizes = chance.choices([1, 2, 3, 4], [1, 7, 2, 2], k=VOCABULARY)
        self.chinese = ["".join(chance.choices(characters, weights, k=size)) for size in sizes]
        self._zipf = list(accumulate(1 / (rank + 2.7) for rank in range(VOCABULARY)))

    def line(self, number: int) -> str:
        """The same line for the same number, every time."""
        chance = random.Random(number)
        if number % 2:
            return "".join(chance.choices(self.chinese, cum_weights=self._zipf, k=10))
        return " ".join(chance.choices(self.english, cum_weights=self._zipf, k=8))


def fill(engine: Engine, corpus: Corpus, lines: int) -> float:
    """Store so many lines as pages that are done; the seconds it took."""
    began = time.perf_counter()
    migrate(engine)
    pages = iter(range(lines // LINES_A_PAGE))
    while numbers := list(islice(pages, PAGES_A_TURN)):
        with session_factory(engine).begin() as session:
            _store(session, corpus, numbers)
    return time.perf_counter() - began


def _store(session: Session, corpus: Corpus, numbers: Sequence[int]) -> None:
    """Write the rows that the ledger would, many pages at a time."""
    now = utc_now()
    first = [number for number in numbers if number % PAGES_A_DOCUMENT == 0]
    state = {"state": "done", "page_count": PAGES_A_DOCUMENT, "taken_in_at": now}
    documents = [{"id": 1 + number // PAGES_A_DOCUMENT, **state} for number in first]
    if documents:
        session.execute(table_of(Document).insert(), documents)
    queue = {"state": "done", "queue": "cpu", "lane": 1, "sched_rank": 0, "due_at": now}
    pages = [
        {
            "id": number + 1,
            "document_id": 1 + number // PAGES_A_DOCUMENT,
            "page_no": 1 + number % PAGES_A_DOCUMENT,
            **queue,
        }
        for number in numbers
    ]
    session.execute(table_of(Page).insert(), pages)
    prepared = [prepare(number + 1, _page(corpus, number)) for number in numbers]
    session.execute(table_of(Line).insert(), [line for page in prepared for line in page.lines])
    session.execute(table_of(PageText).insert(), [page.text for page in prepared])


def _page(corpus: Corpus, number: int) -> SavedPage:
    texts = [corpus.line(number * LINES_A_PAGE + each) for each in range(LINES_A_PAGE)]
    lines = [
        TextLine(line, quad_of((100, 50 * top, 1500, 50 * top + 40)), 0.98)
        for top, line in enumerate(texts)
    ]
    return SavedPage(width=1654, height=2339, dpi=200.0, text_source="ocr", lines=lines)


def english_word(chance: random.Random, line: str) -> str:
    return chance.choice(line.split())


def english_phrase(chance: random.Random, line: str) -> str:
    words = line.split()
    start = chance.randrange(len(words) - 2)
    return f'"{" ".join(words[start : start + chance.choice((2, 3))])}"'


def two_words(chance: random.Random, line: str) -> str:
    return " ".join(chance.sample(line.split(), 2))


def chinese(size: int) -> Callable[[random.Random, str], str]:
    def characters(chance: random.Random, line: str) -> str:
        start = chance.randrange(len(line) - size)
        return line[start : start + size]

    return characters


KINDS: dict[str, tuple[int, Callable[[random.Random, str], str]]] = {
    "English word": (0, english_word),
    "two English words": (0, two_words),
    "English phrase": (0, english_phrase),
    "two Chinese characters": (1, chinese(2)),
    "four Chinese characters": (1, chinese(4)),
    "eight Chinese characters": (1, chinese(8)),
}
"""The parity of the lines a kind of question is taken from, and how."""


def questions(corpus: Corpus, lines: int, count: int) -> Iterator[tuple[str, str]]:
    """So many questions of each kind."""
    chance = random.Random(2)
    for kind, (odd, ask) in KINDS.items():
        for _ in range(count):
            yield kind, ask(chance, corpus.line(2 * chance.randrange(lines // 2) + odd))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was answered."""

    kind: str
    seconds: float
    cpu_seconds: float
    hits: int


def ask(engine: Engine, asked: Sequence[tuple[str, str]]) -> list[Asked]:
    """Put every question in a session of its own; those that warm the caches are not counted."""
    sessions = session_factory(engine)
    answers = []
    for warming, portion in ((True, asked[:: max(1, len(asked) // 50)]), (False, asked)):
        for kind, query in portion:
            with sessions() as session:
                server = _server_process(session)
                began, busy = time.perf_counter(), _cpu_seconds(server)
                hits = len(search(session, query))
                took, worked = time.perf_counter() - began, _cpu_seconds(server) - busy
            if not warming:
                answers.append(Asked(kind, took, worked, hits))
    return answers


def _server_process(session: Session) -> int | None:
    """The process that serves this session, if it is another one."""
    if session.get_bind().dialect.name == "sqlite":
        return None
    return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def _cpu_seconds(server: int | None) -> float:
    """CPU time of this process and of the one that serves it (proc(5), schedstat)."""
    if server is None:
        return time.process_time()
    nanoseconds = int(Path(f"/proc/{server}/schedstat").read_text().split()[0])
    return time.process_time() + nanoseconds / 1e9


def weigh(engine: Engine, folder: Path) -> dict[str, float]:
    """Bytes a line of everything, and of what serves search alone."""
    with engine.connect() as connection:
        lines = connection.execute(text("SELECT count(*) FROM lines")).scalar_one()
        if engine.dialect.name == "sqlite":
            index = "SELECT sum(length(block)) FROM page_search_data"
            sizes = "SELECT sum(length(sz)) FROM page_search_docsize"
            found = connection.execute(text(index)).scalar_one()
            found += connection.execute(text(sizes)).scalar_one()
            whole = sum(path.stat().st_size for path in folder.glob("search.db*"))
        else:
            index = "SELECT pg_relation_size('ix_page_texts_search')"
            column = "SELECT sum(pg_column_size(search)) FROM page_texts"
            found = connection.execute(text(index)).scalar_one()
            found += connection.execute(text(column)).scalar_one()
            whole = connection.execute(
                text("SELECT pg_database_size(current_database())")
            ).scalar_one()
        tokens = connection.execute(
            text("SELECT sum(length(CAST(tokens AS text))) FROM page_texts")
        ).scalar_one()
    return {
        "index_bytes_a_line": float(found) / lines,
        "token_characters_a_line": float(tokens) / lines,
        "all_bytes_a_line": float(whole) / lines,
    }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Fill SQLite, copy it to PostgreSQL, ask both the same."""
    corpus = Corpus()
    asked = list(questions(corpus, options.lines, options.questions))
    result: dict[str, Any] = {"lines": options.lines, "machine": describe(), "databases": {}}
    result["load"] = os.getloadavg()[0]
    sqlite = open_database(f"sqlite:///{folder}/search.db")
    result["fill_seconds"] = fill(sqlite, corpus, options.lines)
    with PostgresServer(durable=True, shared_buffers="512MB", max_wal_size="4GB") as server:
        postgres = open_database(server.url())
        reading = open_database(f"sqlite:///{folder}/search.db", readonly=True)
        began = time.perf_counter()
        copy_database(reading, postgres)
        result["copy_seconds"] = time.perf_counter() - began
        reading.dispose()
        for name, engine in (("SQLite", sqlite), ("PostgreSQL", postgres)):
            result["databases"][name] = {
                "kinds": summary(ask(engine, asked)),
                **weigh(engine, folder),
            }
        postgres.dispose()
    sqlite.dispose()
    return result


def summary(answers: Sequence[Asked]) -> dict[str, Any]:
    kinds: dict[str, list[Asked]] = {"all": list(answers)}
    for answer in answers:
        kinds.setdefault(answer.kind, []).append(answer)
    return {
        kind: {
            "questions": len(those),
            "found": sum(one.hits > 0 for one in those) / len(those),
            **{
                f"p{share}_ms": 1000 * percentile([one.seconds for one in those], share)
                for share in (50, 95, 100)
            },
            **{
                f"cpu_p{share}_ms": 1000 * percentile([one.cpu_seconds for one in those], share)
                for share in (50, 95, 100)
            },
        }
        for kind, those in kinds.items()
    }


def percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


WHATS = ("cpu_p", "p")


def tables(result: dict[str, Any]) -> dict[str, str]:
    """The tables of the document, by the place they stand in."""
    databases = result["databases"]
    header = ["question"]
    for name in databases:
        header += [f"{name}: CPU p50 / p95 ms", f"{name}: passed p50 / p95 ms"]
    rows = [[kind] for kind in [*KINDS, "all"]]
    for row in rows:
        for one in databases.values():
            cell = one["kinds"][row[0]]
            row += [f"{cell[f'{what}50_ms']:.0f} / {cell[f'{what}95_ms']:.0f}" for what in WHATS]
    weights = {
        "index, bytes a line": "index_bytes_a_line",
        "everything, bytes a line": "all_bytes_a_line",
    }
    for name, key in weights.items():
        cells = [[f"{one[key]:.0f}", ""] for one in databases.values()]
        rows.append([name, *(part for cell in cells for part in cell)])
    return {"search-table": markdown(header, rows)}


def note(result: dict[str, Any]) -> str:
    count = next(iter(result["databases"].values()))["kinds"]["all"]["questions"]
    machine = f"{result['machine']}, load {result['load']:.1f} at the start"
    return (
        f"{result['lines']:,} lines on pages of {LINES_A_PAGE}, {count:,} questions on each "
        f"database; {machine}. `pagemill db copy` took {result['copy_seconds']:.0f} s, reading "
        f"back included."
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=200, help="of each kind")
    parser.add_argument("--folder", type=Path, help="where to make the databases; temporary")
    parser.add_argument("--keep", action="store_true", help="keep the result in the repository")
    parser.add_argument("--write-docs", action="store_true", help="write the kept result's tables")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(options, Path(folder))
    if options.keep:
        record.keep("search", result)
    if options.write_docs:
        record.write_docs(tables(record.last("search")), note(record.last("search")))
    console = Console()
    console.print(note(result))
    console.print("\n".join(tables(result).values()), markup=False)


if __name__ == "__main__":
    main()
