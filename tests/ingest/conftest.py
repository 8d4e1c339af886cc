from collections.abc import Callable, Iterator
from pathlib import Path

import pymupdf
import pytest

from ingest import offspring
from ingest.media import Limits
from ingest.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def small_limits() -> Limits:
    """Enough for every ordinary page; what goes beyond ends within seconds."""
    return Limits(
        max_pixels=4_000_000,
        max_image_pixels=30_000_000,
        memory_bytes=256 * 1024**2,
        cpu_seconds=1,
        cpu_seconds_a_page=1,
        wall_seconds=60,
    )


@pytest.fixture
def strict_sandbox(small_limits: Limits) -> Iterator[Sandbox]:
    with Sandbox(small_limits) as sandbox:
        yield sandbox


@pytest.fixture
def possessed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes every page that is asked for run some Python in the child instead, as an attacker's
    bytes might. The code is the body of page_of(document, page_no)."""

    def possess(body: str) -> None:
        lines = "".join(f"\n    {line}" for line in body.splitlines())
        command = (
            "import sys; sys.path[:] = sys.argv[1:]\n"
            "import os, signal, socket, time, ctypes, ingest.render\n"
            f"def page_of(document, page_no, **_):{lines}\n"
            "ingest.render.page_of = page_of\n"
            "from ingest.zygote import main; main()"
        )
        monkeypatch.setattr(offspring, "_COMMAND", command)

    return possess


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A born-digital PDF of one page."""
    path = tmp_path / "letter.pdf"
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        for number in range(20):
            page.insert_text((72, 72 + 24 * number), f"Line {number} of a letter to a friend.")
        document.save(path)
    return path


@pytest.fixture
def raw_pdf(tmp_path: Path) -> Callable[..., Path]:
    """Writes a PDF of objects as they are given; number 1 is the catalogue."""

    def write(*objects: bytes, name: str = "raw.pdf") -> Path:
        body, offsets = b"%PDF-1.7\n", []
        for number, content in enumerate(objects, start=1):
            offsets.append(len(body))
            body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
        table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        size = len(objects) + 1
        end = b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R>>\n" % (
            size,
            table,
            size,
        )
        path = tmp_path / name
        path.write_bytes(body + end + b"startxref\n%d\n%%%%EOF\n" % len(body))
        return path

    return write
