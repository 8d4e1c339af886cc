"""Sixty real pages of every kind a folder may hold, put together from the evaluation sets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pymupdf

from benchmarks.datasets import EvalPage, load_set, spread

IMAGES = {
    "sroie2019": 8,
    "funsd": 6,
    "fondue_print": 4,
    "ehri_typewritten": 4,
    "omnidocbench_demo": 2,
    "taigi": 2,
    "isri_unlv": 12,
}
"""Files copied as they are: JPEG, PNG and 1-bit TIFF."""
SCANS = {"tapuscorpus_fr": 6, "scribe_documents": 4}
"""One image-only PDF of each: a page is a picture, byte for byte the file of the set."""
TYPED = {"zh_financial_pdf": 12}
"""Pages of born-digital PDFs, cut out of their reports."""
PAGES = sum(IMAGES.values()) + sum(SCANS.values()) + sum(TYPED.values())


def fill(inbox: Path, data: Path, work: Path) -> None:
    """Write the files into an empty folder."""
    inbox.mkdir(parents=True)
    for name, count in IMAGES.items():
        for page in spread(load_set(data, name, work).pages, count):
            shutil.copyfile(page.image, inbox / f"{name}-{page.image.name}")
    for name, count in SCANS.items():
        pages = spread(load_set(data, name, work).pages, count)
        _scanned_pdf(inbox / f"{name}.pdf", [page.image for page in pages])
    for name, count in TYPED.items():
        _cut_pdfs(inbox, data / name, spread(load_set(data, name, work).pages, count))


def _scanned_pdf(path: Path, images: list[Path]) -> None:
    library: Any = pymupdf  # it has no types
    document = library.open()
    for image in images:
        size = library.Pixmap(str(image))
        page = document.new_page(width=size.width * 72 / 200, height=size.height * 72 / 200)
        page.insert_image(page.rect, filename=str(image))
    document.save(path, deflate=True)


def _cut_pdfs(inbox: Path, folder: Path, pages: list[EvalPage]) -> None:
    """One PDF a report, with the chosen pages only."""
    library: Any = pymupdf
    for file in sorted({page.file for page in pages}):
        numbers = [page.page_no - 1 for page in pages if page.file == file]
        with library.open(folder / file) as document:
            document.select(numbers)
            document.save(inbox / Path(file).name, garbage=3, deflate=True)
