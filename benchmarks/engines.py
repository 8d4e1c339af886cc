"""The engines that are compared, and the processes that run them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.environments import REPOSITORY, environment

NUMERIC_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: a reader module under benchmarks/rivals, run in an environment of its own."""

    name: str
    title: str
    module: str
    argument: str = ""
    packages: tuple[str, ...] = ()
    """Pinned; empty: the environment of the benchmark itself."""
    sources: tuple[str, ...] = ()
    """Packages of this repository that decide what it reads."""


RAPIDOCR = "rapidocr==3.10.0"
ENGINES = (
    Engine(
        "pagemill",
        "Pagemill",
        "pagemill_reader",
        sources=("workers", "ingest", "storage", "ocr_core"),
    ),
    Engine(
        "tuned",
        "RapidOCR tuned",
        "rapidocr_reader",
        "tuned",
        (RAPIDOCR, "openvino==2026.4.1", "onnxruntime==1.32.0"),
    ),
    Engine("tesseract", "Tesseract 5", "tesseract_reader"),
    Engine(
        "default",
        "RapidOCR default",
        "rapidocr_reader",
        "default",
        (RAPIDOCR, "onnxruntime==1.32.0"),
    ),
)
READER = Engine("reader", "Pagemill reader", "pagemill_reader", sources=("ocr_core",))
"""The reader alone, without command and sandbox: for quick looks while working on `ocr_core`."""
BY_NAME = {engine.name: engine for engine in (*ENGINES, READER)}


class ReaderProcess:
    """A reader that answers one page at a time; see benchmarks/rivals/conversation.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.hello: dict[str, Any] = self._answer()

    def read(self, image: Path, language: str = "en", words: bool = False) -> dict[str, Any]:
        """The answer to one page, with its CPU seconds as `cpu`; an `error` instead of regions."""
        assert self._process.stdin is not None
        request = {"path": str(image), "language": language, "words": words}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the reader ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def reader_process(engine: Engine, work: Path) -> Iterator[ReaderProcess]:
    """Start an engine's reader with one thread; it ends with the block."""
    python = environment(work, engine.name, engine.packages)
    command = [str(python), "-m", f"benchmarks.rivals.{engine.module}", engine.argument]
    settings = {**os.environ, **dict.fromkeys(NUMERIC_THREADS, "1"), "PYTHONPATH": str(REPOSITORY)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=settings) as process:
        try:
            yield ReaderProcess(process)
        finally:
            process.terminate()


@cache
def version(engine: Engine) -> str:
    """Names what the engine's results depend on: predictions are kept under this name.

    It is looked up once: sources that change during a run belong to the next one.
    """
    if engine.sources:
        return f"{engine.name}-{metadata.version('pagemill')}-{_digest(engine.sources)}"
    if engine.name == "tesseract":
        shown = subprocess.run(["tesseract", "--version"], capture_output=True, check=True)
        return shown.stdout.decode().split("\n")[0].replace(" ", "-")
    return "-".join([engine.name, *(pin.replace("==", "-") for pin in engine.packages)])


def _digest(packages: tuple[str, ...]) -> str:
    """Hash of source files: any change in them makes new predictions."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            digest.update(path.relative_to(REPOSITORY).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]
