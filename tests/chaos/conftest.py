"""A job that is read by the real command, and somebody who kills its processes."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont

PAGES = 100
PATIENCE = 240.0
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty")


def draw_pdf(path: Path, pages: int) -> None:
    """A PDF of small scanned-looking pages: two drawn lines each, no text layer."""
    font = ImageFont.load_default(size=26)
    images = []
    for number in range(1, pages + 1):
        image = Image.new("RGB", (360, 110), "white")
        pen = ImageDraw.Draw(image)
        pen.text((20, 14), f"Page {number} of {pages}", font=font, fill="black")
        first, second = WORDS[number % 10], WORDS[number // 10 % 10]
        pen.text((20, 60), f"{first} and {second}", font=font, fill="black")
        images.append(image)
    images[0].save(path, "PDF", resolution=150.0, save_all=True, append_images=images[1:])


class Job:
    """`pagemill run` on one file, in a folder of its own."""

    def __init__(self, folder: Path, document: Path, **settings: str) -> None:
        self.folder, self.document = folder, document
        self.database = folder / "pagemill.db"
        self.settings = {f"PAGEMILL_{name.upper()}": value for name, value in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "run.log"
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        program = "import sys; from workers.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "run", str(self.document), "-j", "2", "-v"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **self.settings},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(PATIENCE)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def supervisor(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid)] if self.process and self.running else []

    def workers(self) -> list[psutil.Process]:
        """Celery's parent processes: one, or none while it is being replaced."""
        return [child for child in self._children(self.supervisor()) if _runs(child, "embedded")]

    def pool(self) -> list[psutil.Process]:
        return self._children(self.workers())

    def zygotes(self) -> list[psutil.Process]:
        owners = [*self.pool(), *self.supervisor()]
        return [child for child in self._children(owners) if _runs(child, "zygote")]

    def everything(self) -> list[psutil.Process]:
        return [p for top in self.supervisor() for p in (top, *top.children(recursive=True))]

    def query(self, statement: str) -> list[tuple]:
        if not self.database.exists():
            return []
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=60) as database:
            try:
                return database.execute(statement).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):  # the very first moment
                    return []
                raise
            finally:
                database.rollback()

    def count(self, statement: str) -> int:
        rows = self.query(statement)
        return rows[0][0] if rows else 0

    def done(self) -> int:
        return self.count("SELECT count(*) FROM pages WHERE state = 'done'")

    def text(self) -> list[tuple]:
        return self.query(
            "SELECT page_no, line_no, text FROM lines JOIN pages ON id = page_id ORDER BY 1, 2"
        )

    def run_until(self, pages: int) -> None:
        """Let the command run until so many pages are done; start it again if it was killed."""

        def reached() -> bool:
            if not self.running:
                self.start()
            return self.done() >= pages

        wait_until(reached, f"{pages} pages; {self.tail()}")

    def wait_for_attempts(self, outcome: str, number: int, seconds: float) -> bool:
        """Wait a while for so many attempts with this outcome; whether there are so many."""
        question = f"SELECT count(*) FROM attempts WHERE outcome = '{outcome}'"
        ends_at = time.monotonic() + seconds
        while self.count(question) < number and time.monotonic() < ends_at:
            time.sleep(0.02)
        return self.count(question) >= number

    def finish(self) -> None:
        """Let the command end by itself; start it again if it was killed."""
        if not self.running:
            self.start()
        assert self.wait() == 0, self.tail()

    def kill_something(self, chance: random.Random) -> str:
        """Kill a random process, or all of them; its name, "" if there was none."""
        everything = {
            "supervisor": self.supervisor(),
            "worker": self.workers(),
            "pool": self.pool(),
            "zygote": self.zygotes(),
            "all": self.everything(),
        }
        name = chance.choice([name for name, found in everything.items() if found] or ["none"])
        victims = everything.get(name, [])
        if name != "all" and victims:
            victims = [chance.choice(victims)]
        left = self.everything()
        hit = [kill(victim) for victim in victims]
        if name in ("supervisor", "all") and self.process:
            self.process.wait()
            _, alive = psutil.wait_procs(left, timeout=30)
            assert not alive, f"outlived their supervisor: {alive}"
        return name if any(hit) else ""

    def check_all_read_once(self, expected: list[tuple], pages: int = PAGES) -> None:
        """Each page done, by one successful attempt, with the text of a run without faults."""
        assert self.query("SELECT state, count(*) FROM pages GROUP BY 1") == [("done", pages)]
        assert self.query("SELECT state, page_count FROM documents") == [("done", pages)]
        ok = "SELECT page_id FROM attempts WHERE outcome = 'ok'"
        assert self.count(f"SELECT count(*) FROM ({ok})") == pages
        assert self.count(f"SELECT count(DISTINCT page_id) FROM ({ok})") == pages
        assert self.text() == expected
        assert self.query("PRAGMA integrity_check") == [("ok",)]
        assert self.query("PRAGMA foreign_key_check") == []

    def tail(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else ""

    def end(self) -> None:
        for process in self.everything():
            kill(process)
        if self.process:
            self.process.wait()

    @staticmethod
    def _children(parents: list[psutil.Process]) -> list[psutil.Process]:
        children = []
        for parent in parents:
            try:
                children += parent.children()
            except psutil.NoSuchProcess:
                continue
        return children


def _runs(process: psutil.Process, word: str) -> bool:
    try:
        return word in " ".join(process.cmdline())
    except psutil.Error:
        return False


def kill(process: psutil.Process, number: int = signal.SIGKILL) -> bool:
    """Send a signal; whether the process was still there."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def wait_until(condition: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "job.pdf"
    draw_pdf(path, PAGES)
    return path


@pytest.fixture(scope="session")
def expected(document: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple]:
    """The lines of a run without faults."""
    job = Job(tmp_path_factory.mktemp("without_faults"), document)
    job.start()
    assert job.wait() == 0
    job.check_all_read_once(job.text())
    assert job.count("SELECT count(*) FROM lines") == 2 * PAGES
    return job.text()


@pytest.fixture
def job(tmp_path: Path, document: Path) -> Iterator[Job]:
    job = Job(tmp_path, document)
    yield job
    job.end()
