"""Services on real SQLite and the real sandbox, with a reader that works without networks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest

from ingest.sandbox import Sandbox
from ocr_core.page import PageResult, TextLine, quad_of
from ocr_core.reader import ReaderProvenance
from workers.services import Services
from workers.settings import Settings


class RowReader:
    """Takes every band of dark rows for a line, and calls it by its number."""

    provenance = ReaderProvenance(
        detector="rows",
        detector_sha256="0" * 64,
        recognizer="numbers",
        recognizer_sha256="1" * 64,
        line_orientation="none",
        line_orientation_sha256="2" * 64,
        engine="numpy",
        precision="fp32",
        parameters={},
    )

    def __init__(self) -> None:
        self.pages = 0
        self.before: Callable[[], object] = lambda: None
        """Called before each page: what happens while it is read."""

    def read(self, image: np.ndarray) -> PageResult:
        self.pages += 1
        self.before()
        height, width = image.shape[:2]
        dark = np.r_[0, (image.min(axis=(1, 2)) < 128).astype(np.int8), 0]
        edges = np.flatnonzero(np.diff(dark))
        lines = [
            TextLine(f"line {number}", quad_of((0.0, float(top), float(width), float(bottom))), 0.9)
            for number, (top, bottom) in enumerate(edges.reshape(-1, 2), start=1)
        ]
        return PageResult(width, height, tuple(lines))


@pytest.fixture
def reader() -> RowReader:
    return RowReader()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One for all tests: starting it takes most of a second."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def make_services(
    tmp_path: Path, reader: RowReader, sandbox: Sandbox
) -> Iterator[Callable[..., Services]]:
    made = []

    def make(**changes: Any) -> Services:
        values = {
            "database_url": f"sqlite:///{tmp_path}/pagemill.db",
            "cache_dir": tmp_path / "cache",
            "jobs": 1,
            "min_free_mb": 0,
            "worker_memory_mb": 10**6,  # the process of all tests has grown already
        }
        services = Services(Settings(**{**values, **changes}))
        services.__dict__.update(reader=reader, sandbox=sandbox)
        made.append(services)
        return services

    yield make
    for services in made:
        del services.__dict__["sandbox"]
        services.close()


@pytest.fixture
def services(make_services: Callable[..., Services]) -> Services:
    return make_services()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def _scan(page: pymupdf.Page, lines: int) -> None:
    """Draw so many black bands on the page as one picture, as a scanner would."""
    height, width = 400, 300
    pixels = np.full((height, width, 3), 255, np.uint8)
    for number in range(lines):
        pixels[40 + 40 * number : 52 + 40 * number, 30:-30] = 0
    picture = pymupdf.Pixmap(pymupdf.csRGB, width, height, pixels.tobytes(), False)
    page.insert_image(page.rect, pixmap=picture)


@pytest.fixture
def draw(inbox: Path) -> Callable[..., Path]:
    """Draws a PDF: each page a text, or a number of lines that only OCR can see."""

    def draw_pdf(name: str, *pages: str | int, **saving: Any) -> Path:
        with pymupdf.open() as document:
            for content in pages:
                page = document.new_page(width=300, height=400)
                if isinstance(content, int):
                    _scan(page, content)
                else:
                    page.insert_text((30, 60), content, fontsize=14)
            document.save(inbox / name, **saving)
        return inbox / name

    return draw_pdf
