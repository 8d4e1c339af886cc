"""Files read without a database: in this process, or in several that each read whole files.

    read_files      paths → pages, in the order of the paths
    FilePage        a page, its boxes in pixels of the file that was given

A child process reads one file at a time; one that dies costs that file, and a new child takes
the next. Children end when this process ends, however it ends: their pipe closes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from typing import cast

import numpy as np
import structlog
from numpy.typing import NDArray

from ingest.errors import IngestError, SourceMissing, UnreadableSource
from ingest.media import sniff
from ocr_core.geometry import rotate_points
from ocr_core.page import PageResult, Quad, TextLine
from storage.errors import ErrorInfo
from workers.faults import EnvironmentFault, environment_faults
from workers.reading import ReadPage, read_file
from workers.services import Services
from workers.settings import Settings

log = structlog.get_logger()

_HEAD = 4096
"""Bytes that tell what a file is."""
_AHEAD = 4
"""Files a child may be ahead of the one whose pages are due: what bounds the waiting pages."""
_REPORT = "This is a fault of Pagemill; please report it with the file."
_DIED = ErrorInfo(
    "reader_died",
    "The process that read the file ended unexpectedly.",
    "The machine may be out of memory; read fewer files at a time with -j.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """One page of a file, or why it (or the whole file) could not be read."""

    path: str
    """As it was given."""
    page_no: int = 1
    width: int = 0
    """Pixels of the input: of an image file as a viewer shows it, of a PDF page as it is drawn."""
    height: int = 0
    seconds: float = 0.0
    """Wall time from opening the page to its last line."""
    lines: tuple[TextLine, ...] = ()
    """In reading order, in pixels of the input."""
    error: ErrorInfo | None = None
    fatal: bool = False
    """Whether the error is the machine's, so that no other file can be read either."""

    @property
    def text(self) -> str:
        """The lines in reading order, divided by line breaks."""
        return "\n".join(line.text for line in self.lines)


def read_files(paths: Sequence[str], settings: Settings) -> Iterator[FilePage]:
    """Read every page of the files, `settings.jobs` files at a time; pages come in order."""
    if min(settings.jobs, len(paths)) <= 1:
        return _read_here(paths, settings)
    return _read_in_children(paths, settings)


def _read_here(paths: Sequence[str], settings: Settings) -> Iterator[FilePage]:
    with Services(settings) as services:
        for path in paths:
            yield from read_one(path, services)


def read_one(path: str, services: Services) -> Iterator[FilePage]:
    """Every selected page of one file; what goes wrong is a page with an error."""
    try:
        with environment_faults():
            yield from _pages_of(path, services)
    except IngestError as error:
        yield FilePage(path=path, error=_info(error))
    except EnvironmentFault as fault:
        yield FilePage(path=path, error=_info(fault), fatal=True)
    except Exception as error:  # the border of a file: no fault in one may stop the others
        log.exception("file_failed", path=path)
        yield FilePage(path=path, error=ErrorInfo("internal_error", repr(error), _REPORT))


def _pages_of(path: str, services: Services) -> Iterator[FilePage]:
    sizes = _input_sizes(Path(path), services)
    for page in read_file(Path(path), services):
        if isinstance(page, ReadPage):
            yield in_input(path, page, sizes.get(page.page_no))
        else:
            yield FilePage(path=path, page_no=page[0], error=_info(page[1]))


def _info(error: IngestError | EnvironmentFault) -> ErrorInfo:
    return ErrorInfo(error.code, str(error), error.advice)


def _input_sizes(path: Path, services: Services) -> dict[int, tuple[float, float]]:
    """Pixels of each page of an image file; empty for a PDF, whose pages have none."""
    try:
        with path.open("rb") as file:
            media_type = sniff(file.read(_HEAD))
    except FileNotFoundError as error:
        raise SourceMissing(str(path)) from error
    except OSError as error:
        raise UnreadableSource(f"{path}: {error.strerror}") from error
    if media_type == "application/pdf":
        return {}
    facts = services.sandbox.split(path, services.settings.passwords)
    return {page.page_no: (page.width, page.height) for page in facts.pages}


def in_input(path: str, page: ReadPage, size: tuple[float, float] | None) -> FilePage:
    """A page with its boxes in pixels of the file: turned back, and scaled back to `size`."""
    result = page.result
    drawn = (result.width, result.height) if result.rotation % 180 == 0 else _swapped(result)
    width, height = (round(size[0]), round(size[1])) if size else drawn
    scale = np.array([width / drawn[0], height / drawn[1]], np.float32)
    lines = result.lines
    if result.rotation or (width, height) != drawn:
        lines = tuple(_placed(line, lambda quad: _back(quad, result, scale)) for line in lines)
    return FilePage(
        path=path,
        page_no=page.page_no,
        width=width,
        height=height,
        seconds=page.seconds,
        lines=lines,
    )


def _swapped(result: PageResult) -> tuple[int, int]:
    return result.height, result.width


def _back(quad: Quad, result: PageResult, scale: NDArray[np.float32]) -> Quad:
    upright = (result.width, result.height)
    points = rotate_points(np.array(quad, np.float32), upright, -result.rotation % 360) * scale
    return cast(Quad, tuple((float(x), float(y)) for x, y in points))


def _placed(line: TextLine, place: Callable[[Quad], Quad]) -> TextLine:
    words = tuple(replace(word, quad=place(word.quad)) for word in line.words)
    return replace(line, quad=place(line.quad), words=words)


class _Child:
    """A process that reads one file at a time; started when a file is there to read.

    `read` is for one thread; `end` may be called meanwhile by another.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        """Held to start the process and to take it away, so that only one thread ends it."""
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._ended = False

    def read(self, path: str) -> Iterator[FilePage]:
        """The pages of a file, as the process sends them."""
        try:
            pipe = self._running()
            pipe.send(path)
            yield from iter(pipe.recv, None)
        except (EOFError, OSError):
            self._stop()
            yield FilePage(path=path, error=_DIED)

    def end(self) -> None:
        """End the process, whatever it does, and start no other."""
        with self._lock:
            self._ended = True
        self._stop()

    def _stop(self) -> None:
        with self._lock:
            process, self._process, self._pipe = self._process, None, None
        if process is not None:
            process.kill()
            process.join()

    def _running(self) -> Connection:
        """The pipe to the process, which is started if need be; EOFError after the end."""
        with self._lock:
            if self._ended:
                raise EOFError
            self._pipe = self._pipe or self._start()
            return self._pipe

    def _start(self) -> Connection:
        # A fresh interpreter: a fork would copy the threads and locks of this process.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._settings), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._process = process
        return ours


def _serve(pipe: Connection, settings: Settings) -> None:
    """What a child does: a path comes in, its pages and then None go out, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends us
    with Services(settings) as services, contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            for page in read_one(pipe.recv(), services):
                pipe.send(page)
            pipe.send(None)


def _read_in_children(paths: Sequence[str], settings: Settings) -> Iterator[FilePage]:
    jobs = min(settings.jobs, len(paths))
    children = [_Child(settings) for _ in range(jobs)]
    idle = SimpleQueue[_Child]()
    for child in children:
        idle.put(child)
    threads = ThreadPoolExecutor(jobs)
    try:
        ahead = deque[_Pages]()
        for path in paths:
            ahead.append(_Pages(threads, idle, path))
            if len(ahead) == jobs * _AHEAD:
                yield from ahead.popleft()
        for pages in ahead:
            yield from pages
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.end()


class _Pages:
    """The pages of one file, read by a thread that waits for a free child."""

    def __init__(self, threads: ThreadPoolExecutor, idle: SimpleQueue[_Child], path: str) -> None:
        self._idle, self._path = idle, path
        self._queue = SimpleQueue[FilePage | None]()
        self._reading = threads.submit(self._read)

    def _read(self) -> None:
        child = self._idle.get()
        try:
            for page in child.read(self._path):
                self._queue.put(page)
        finally:
            self._idle.put(child)
            self._queue.put(None)

    def __iter__(self) -> Iterator[FilePage]:
        yield from iter(self._queue.get, None)
        self._reading.result()  # raises what the thread did not expect
