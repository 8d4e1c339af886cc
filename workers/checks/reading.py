"""Checks that read a page of known text: in the sandbox, on each engine, and as a whole job."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest.content import Image
from ingest.sandbox import Sandbox
from ocr_core.errors import OcrError
from ocr_core.reader import Reader, ReaderOptions
from ocr_core.runtime import ENGINES, RuntimeOptions, choose_engine, installed_engines
from storage.sql import run_readonly
from workers.checks.finding import Finding, fail, ok, warn
from workers.settings import Settings
from workers.sources import find_sources
from workers.supervisor import Progress, Supervisor
from workers.trial_page import LINES, draw_pdf

JOB_SECONDS = 180.0
"""How long the whole job of one page may take."""
_REPORT = "Report this with the output of `pagemill doctor --json`."


def sandbox(settings: Settings) -> Iterator[Finding]:
    """Open a PDF in the sandbox, draw its page and take its text layer."""
    with _drawn() as path, Sandbox(settings.limits) as box:
        pages = box.split(path).page_count
        content = box.page(path, 1)
    layer = tuple(line.text for line in content.lines)
    if pages != 1 or content.verdict != "true" or layer != LINES:
        yield fail("sandbox", f"the text layer is {content.verdict}: {_shown(layer)}", _REPORT)
    else:
        yield ok(
            "sandbox", f"opens and draws a PDF within {settings.limits.memory_bytes >> 20} MiB"
        )


def engines(settings: Settings) -> Iterator[Finding]:
    """Read the page on each engine; only the one that is set must do it."""
    options = RuntimeOptions(engine=settings.engine, device=settings.device)
    chosen = choose_engine(options)
    image = _picture(settings)
    for engine in ENGINES:
        if engine in installed_engines():
            yield _engine(engine, image, settings, chosen=engine == chosen)
        else:
            yield ok(f"engine {engine}", "not installed, not needed")


def _engine(engine: str, image: Image, settings: Settings, *, chosen: bool) -> Finding:
    name = f"engine {engine}"
    unusable = fail if chosen else warn
    try:
        reader = Reader.open(
            ReaderOptions(
                detector=settings.detector,
                recognizer=settings.recognizer,
                line_orientation=settings.line_orientation,
                engine=engine,
                device=settings.device if chosen else "cpu",
                precision=settings.precision if chosen else "auto",
            )
        )
    except OcrError as error:
        return unusable(name, str(error), error.advice)
    begun = time.perf_counter()
    read = tuple(line.text for line in reader.read(image).lines)
    if read != LINES:
        return unusable(name, f"it reads {_shown(read)}", _REPORT)
    used = "in use" if chosen else "not in use"
    seconds = time.perf_counter() - begun
    return ok(name, f"{used}, {reader.provenance.precision}, reads the page in {seconds:.1f} s")


def job(settings: Settings) -> Iterator[Finding]:
    """Do a whole job on a database of its own: take in, split, read, store, search."""
    with _drawn() as path:
        trial = settings.model_copy(
            update={
                "database_url": f"sqlite:///{path.parent / 'trial.db'}",
                "cache_dir": path.parent / "cache",
                "broker_url": None,
                "bucket": None,
                "jobs": 1,
                "mode": "redo",
                "pages": None,
            }
        )
        with Supervisor(trial) as supervisor:
            supervisor.run_until_rest(find_sources([str(path)]), _stop_when_late)
        statement = "SELECT text, error_message FROM v_pages"
        with run_readonly(trial.database_url, statement) as rows:
            text, error = next(iter(rows), (None, "it was not taken in"))
    if error or text is None:
        yield fail("job", f"the test page was not read: {error}", _REPORT)
    elif tuple(text.split("\n")) != LINES:
        yield fail("job", f"the database holds {_shown(text.split(chr(10)))}", _REPORT)
    else:
        yield ok("job", "took in, drew, read and stored the test page; the text is right")


def _stop_when_late(progress: Progress) -> None:
    """Give up a job in which nothing moves."""
    if progress.seconds > JOB_SECONDS:
        raise TimeoutError(progress.alert or f"not done after {JOB_SECONDS:.0f} s")


@contextmanager
def _drawn() -> Iterator[Path]:
    """The test page as a file in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
        path = Path(folder) / "test-page.pdf"
        path.write_bytes(draw_pdf())
        yield path


def _picture(settings: Settings) -> Image:
    with _drawn() as path, Sandbox(settings.limits) as box:
        content = box.page(path, 1, mode="redo")
    assert content.image is not None  # what mode "redo" is for
    return content.image


def _shown(lines: Sequence[str]) -> str:
    """What was read instead, short."""
    return repr(" / ".join(lines))[:200]
