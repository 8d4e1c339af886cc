"""`pagemill export` of documents of 200 and 2,000 pages: pages a second, memory, bytes a page.

    python -m benchmarks.exports --work FOLDER --write-docs

Nothing is read: the database is filled with pages of 50 lines and 400 words each. The originals
are a PDF whose pages are JPEG scans, and a fax of as many pages for the wrapped PDF.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymupdf
from PIL import Image, ImageDraw

from benchmarks import machine
from benchmarks.environments import pagemill, work_folder
from benchmarks.process_tree import run_watched
from benchmarks.record import Result, keep, last, write_docs
from benchmarks.tables import markdown, number
from ocr_core.page import TextLine, Word, quad_of
from storage.buckets import FolderBucket
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document
from storage.ledger import claim, finish
from storage.results import SavedPage

PAGES = (200, 2_000)
LINES, WORDS = 50, 8
SIZE = (1240, 1754)
"""Of a page image: A4 at 150 dpi."""
DPI = 150.0
FORMS = ("txt", "md", "jsonl", "hocr", "alto", "page", "csv", "parquet", "pdf")
MIB = 1024 * 1024
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


@dataclass(frozen=True)
class PageNo:
    """What `add_document` wants of a page."""

    page_no: int


def main() -> None:
    options = _options()
    if not options.show:
        measured = measure(work_folder(options.work), options.forms)
        if set(options.forms) != set(FORMS):
            measured["cases"] = last("exports")["cases"] | measured["cases"]
        keep("exports", measured)
    result = last("exports")
    print("\n\n".join(tables(result).values()))
    if options.write_docs:
        note = f"Measured {result['measured_at'][:10]} on {result['machine']}."
        write_docs(tables(result), note)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", type=Path, help="folder for the documents and their exports")
    parser.add_argument("--forms", nargs="+", default=FORMS, help="only these are measured again")
    parser.add_argument("--show", action="store_true", help="only print the last result")
    parser.add_argument("--write-docs", action="store_true", help="fill docs/benchmarks.md")
    return parser.parse_args()


def measure(work: Path, forms: Sequence[str]) -> Result:
    """Export documents of both lengths in these forms."""
    folder = Path(tempfile.mkdtemp(prefix="exports-", dir=work))
    cases: dict[str, dict[str, Any]] = {}
    for pages in PAGES:
        for name, source in (("scan.pdf", scan_pdf), ("fax.tif", fax)):
            place = folder / f"{pages}" / name.partition(".")[0]
            place.mkdir(parents=True)
            source(place / name, pages)
            fill(place, name, pages)
            for form in forms if name == "scan.pdf" else {"pdf"} & set(forms):
                label = form if name == "scan.pdf" else "pdf of a fax"
                cases.setdefault(label, {})[str(pages)] = export(place, name, form, pages)
    shutil.rmtree(folder)
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "cases": cases,
    }


def export(place: Path, name: str, form: str, pages: int) -> dict[str, float]:
    """Run the command once and account for it."""
    output = place / f"out-{form}"
    output.mkdir()
    command = [pagemill(), "export", "1", "--format", form, "-o", str(output)]
    used = run_watched([*command, "--database", f"sqlite:///{place / 'pagemill.db'}"], place)
    if used.status != 0:
        raise SystemExit(f"the export as {form} ended with status {used.status}; see {place}")
    size = sum(path.stat().st_size for path in output.iterdir())
    original = (place / name).stat().st_size if form == "pdf" else 0
    shutil.rmtree(output)
    return {
        "seconds": used.seconds,
        "cpu": sum(seen.cpu for seen in used.processes),  # no child ends before the command does
        "bytes_a_page": (size - original) / pages,
        "peak_mib": used.peak("supervisor") / MIB,
        "sandbox_mib": used.peak("sandbox child") / MIB,
    }


def tables(result: Result) -> dict[str, str]:
    """The figures of each form."""
    short, long = (str(pages) for pages in PAGES)
    rows = []
    for form, cases in result["cases"].items():
        speed = PAGES[1] / cases[long]["seconds"]
        cpu = 1000 * cases[long]["cpu"] / PAGES[1]
        peaks = [cases[pages]["peak_mib"] for pages in (short, long)]
        boxes = [cases[pages]["sandbox_mib"] or None for pages in (short, long)]
        size = cases[long]["bytes_a_page"]
        figures = [
            number(speed, 0),
            number(cpu, 1),
            *(number(value, 0) for value in (*peaks, *boxes, size)),
        ]
        rows.append([form, *figures])
    header = [
        *(
            "form",
            "pages a second",
            "CPU ms a page",
            f"MiB, {PAGES[0]} pages",
            f"MiB, {PAGES[1]:,} pages",
        ),
        *(f"sandbox, {PAGES[0]}", f"sandbox, {PAGES[1]:,}", "bytes a page"),
    ]
    return {"exports-forms": markdown(header, rows)}


def scan_pdf(path: Path, pages: int) -> None:
    """A PDF whose every page is a JPEG of its own."""
    with pymupdf.open() as document:
        for number_ in range(pages):
            page = document.new_page(width=595, height=842)
            page.insert_image(page.rect, stream=_jpeg(number_))
        document.save(path)


def _jpeg(number_: int) -> bytes:
    picture = Image.new("L", (620, 877), 235)
    ImageDraw.Draw(picture).text((50, 50), f"Page {number_}", fill=20)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=60)
    return file.getvalue()


def fax(path: Path, pages: int) -> None:
    """A TIFF of as many Group 4 pages."""

    def frames() -> Iterator[Image.Image]:
        for number_ in range(pages):
            picture = Image.new("1", SIZE, 1)
            ImageDraw.Draw(picture).text((50, 50), f"Page {number_}", fill=0)
            yield picture

    first, *rest = frames()
    first.save(path, save_all=True, append_images=rest, compression="group4", dpi=(DPI, DPI))


def fill(place: Path, name: str, pages: int) -> None:
    """A database in which every page of the document was read."""
    engine = open_database(f"sqlite:///{place / 'pagemill.db'}")
    migrate(engine)
    sessions = session_factory(engine)
    found = next(FolderBucket.of_file(place / name).list())
    with sessions.begin() as session:
        add_document(
            session,
            sha256=hashlib.sha256((place / name).read_bytes()).hexdigest(),
            size=found.size,
            media_type="application/pdf" if name.endswith("pdf") else "image/tiff",
            source=SourceRef(found.uri, found.key, found.version),
            pages=[PageNo(number_) for number_ in range(1, pages + 1)],
            file_pages=pages,
        )
    chance = random.Random(pages)
    while True:
        with sessions.begin() as session:
            leases = claim(session, worker="benchmark", limit=64)
        if not leases:
            break
        with sessions.begin() as session:
            for lease in leases:
                finish(session, lease, _saved(chance))
    engine.dispose()


def _saved(chance: random.Random) -> SavedPage:
    lines = [_line(90 + 31 * number_, chance) for number_ in range(LINES)]
    return SavedPage(width=SIZE[0], height=SIZE[1], dpi=DPI, text_source="ocr", lines=lines)


def _line(y: float, chance: random.Random) -> TextLine:
    words, left = [], 80.0
    for _ in range(WORDS):
        text = "".join(chance.choices(_LETTERS, range(26, 0, -1), k=chance.randint(2, 11)))
        right = left + sum(7 + ord(letter) % 7 for letter in text)
        place = quad_of((left, y, right, y + 24))
        words.append(Word(text, place, round(chance.uniform(0.7, 1), 4)))
        left = right + 9
    text = " ".join(word.text for word in words)
    whole = quad_of((80, y, words[-1].quad[1][0], y + 24))
    return TextLine(text, whole, round(chance.uniform(0.8, 1), 4), tuple(words))


if __name__ == "__main__":
    main()
