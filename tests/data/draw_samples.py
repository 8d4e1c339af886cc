"""Draws the sample documents of `inbox/` and writes their text to `truth/`.

    python tests/data/draw_samples.py [FOLDER]

All texts (`texts/`) were written for this project. The drawing is deterministic: the same
packages give the same files. Scans are the same pages as pictures, with paper tone, noise and skew.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageFilter
from sheet import A4, Sheet

HERE = Path(__file__).resolve().parent
SCAN_DPI = 150
Text = str


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    (folder / "inbox").mkdir(parents=True, exist_ok=True)
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    for name, draw in SAMPLES.items():
        data, pages = draw()
        (folder / "inbox" / name).write_bytes(data)
        _write_truth(folder / "truth" / f"{name}.json", name, pages)


def _write_truth(path: Path, name: str, pages: list[Text]) -> None:
    numbered = [{"page": number, "text": text} for number, text in enumerate(pages, start=1)]
    truth = json.dumps({"file": name, "pages": numbered}, ensure_ascii=False, indent=1)
    path.write_text(truth + "\n", encoding="utf-8")


# ---------------------------------------------------------------- pages


def new_sheet(document: pymupdf.Document, size: tuple[float, float] = A4) -> Sheet:
    """A white page added at the end of the document."""
    return Sheet(document.new_page(width=size[0], height=size[1]))


def paragraphs(name: str) -> list[str]:
    """The paragraphs of one of the project's own texts."""
    return (HERE / "texts" / f"{name}.txt").read_text(encoding="utf-8").strip().split("\n\n")


def draw_letter(sheet: Sheet) -> None:
    for paragraph in paragraphs("letter"):
        sheet.paragraph(paragraph)
        sheet.skip(4)


def draw_table(sheet: Sheet, name: str, stops: list[float]) -> None:
    """A text whose paragraphs with ` | ` are table rows; the first line is the title."""
    title, *rest = paragraphs(name)
    sheet.paragraph(title, font="hebo", size=15)
    for paragraph in rest:
        if " | " not in paragraph:
            sheet.paragraph(paragraph)
            continue
        sheet.rule()
        for line in paragraph.split("\n"):
            sheet.row(line.split(" | "), stops)
        sheet.skip(8)


def draw_columns(sheet: Sheet, name: str, gap: float = 26) -> None:
    """A title over the page, then the paragraphs in two columns of about the same height."""
    title, *rest = paragraphs(name)
    left, right = sheet.left, sheet.right
    sheet.line(title, font="tibo", size=21)
    sheet.skip(14)
    top, middle = sheet.y, (left + right) / 2
    half = (len(rest) + 1) // 2
    for start, end, column in (
        (left, middle - gap / 2, rest[:half]),
        (middle + gap / 2, right, rest[half:]),
    ):
        sheet.left, sheet.right, sheet.y = start, end, top
        for paragraph in column:
            sheet.paragraph(paragraph)


def draw_prose(sheet: Sheet, name: str, part: int = 0) -> None:
    """The text's title line and paragraphs; `===` in the text divides its pages."""
    whole = "\n\n".join(paragraphs(name)).split("\n===\n")[part].split("\n\n")
    if part == 0:
        sheet.paragraph(whole.pop(0), font="hebo", size=16)
    for paragraph in whole:
        sheet.paragraph(paragraph)


def draw_chinese(sheet: Sheet, name: str) -> None:
    sheet.font, sheet.size = "cjk", 14
    title, *rest = paragraphs(name)
    sheet.line(title, size=22)
    sheet.skip(12)
    for paragraph in rest:
        sheet.paragraph(paragraph)


def draw_receipt(sheet: Sheet) -> None:
    sheet.left, sheet.right, sheet.y, sheet.font, sheet.size = 16, 210, 20, "cour", 11
    for paragraph in paragraphs("receipt"):
        for line in paragraph.split("\n"):
            sheet.row(line.split(" | "), [210.0]) if " | " in line else sheet.line(line)
        sheet.skip(9)


# ---------------------------------------------------------------- pictures


def picture(page: pymupdf.Page, dpi: int) -> Image.Image:
    """The page in grey, sharp as a screen copy."""
    pixels = page.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY, alpha=False)
    return Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)


def scan(
    page: pymupdf.Page, *, skew: float = 0.0, seed: int = 0, dpi: int = SCAN_DPI
) -> Image.Image:
    """The page as a flatbed scanner gives it: skewed by degrees, softened, on greyish paper."""
    image = picture(page, dpi).rotate(skew, Image.Resampling.BICUBIC, fillcolor=255)
    ink = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), np.float32) / 255
    height, width = ink.shape
    paper = 243 - 12 * np.linspace(0, 1, width, dtype=np.float32)[None, :] ** 2
    grain = np.random.default_rng(seed).normal(0, 2.5, (height, width))
    grey = 38 + (paper - 38) * ink + grain
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 55) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, dpi=(SCAN_DPI, SCAN_DPI))
    return out.getvalue()


def png(image: Image.Image, dpi: int = SCAN_DPI) -> bytes:
    """A picture in 16 greys, which is all that print needs."""
    out = io.BytesIO()
    image.quantize(16).save(out, "PNG", optimize=True, dpi=(dpi, dpi))
    return out.getvalue()


def add_scan(document: pymupdf.Document, image: Image.Image) -> None:
    """A page that is nothing but a picture."""
    width, height = (72 / SCAN_DPI * pixels for pixels in image.size)
    page = document.new_page(width=width, height=height)
    page.insert_image(page.rect, stream=jpeg(image))


def pdf(document: pymupdf.Document, title: str) -> bytes:
    """The document as bytes that are the same every time: no dates, no random id."""
    document.set_metadata({"title": title, "producer": "Pagemill sample documents"})
    document.subset_fonts()
    return bytes(document.tobytes(garbage=4, deflate=True, no_new_id=True))


# ---------------------------------------------------------------- documents

Drawn = tuple[bytes, list[Text]]


def letter() -> Drawn:
    """A born-digital letter of one page."""
    document = pymupdf.open()
    sheet = new_sheet(document)
    draw_letter(sheet)
    return pdf(document, "Letter"), [sheet.text]


def invoice_scan() -> Drawn:
    """An invoice with a table, scanned a little crooked: no text layer."""
    sheet = new_sheet(pymupdf.open())
    draw_table(sheet, "invoice", [330, 430, 520])
    document = pymupdf.open()
    add_scan(document, scan(sheet.page, skew=0.8, seed=1))
    return pdf(document, "Scan"), [sheet.text]


def mixed() -> Drawn:
    """A text page, a scanned page, and a text page with a scanned clipping below its text."""
    document = pymupdf.open()
    typed = new_sheet(document)
    draw_prose(typed, "recipe")
    copied = new_sheet(pymupdf.open())
    draw_prose(copied, "memo")
    add_scan(document, scan(copied.page, skew=-0.6, seed=2))
    clipping = add_clipping(document)
    return pdf(document, "Mixed"), [typed.text, copied.text, clipping]


def add_clipping(document: pymupdf.Document) -> Text:
    """A page of text around a scanned piece of newspaper."""
    cut = new_sheet(pymupdf.open(), (360, 110))
    cut.left, cut.right, cut.y = 18, 342, 16
    cut.paragraph(paragraphs("clipping")[0], font="tibo", size=13)
    sheet = new_sheet(document)
    sheet.paragraph("Kept from the notice board, May 2025:")
    frame = pymupdf.Rect(sheet.left, sheet.y + 12, sheet.left + 360, sheet.y + 122)
    sheet.page.insert_image(frame, stream=jpeg(scan(cut.page, seed=3, dpi=200), 70))
    sheet.y = frame.y1 + 24
    sheet.lines += cut.lines
    sheet.paragraph(
        "The case was handed in two days later by a bus driver, and the music in it was dry."
    )
    return sheet.text


def article() -> Drawn:
    """Two columns under a title, born-digital."""
    document = pymupdf.open()
    sheet = new_sheet(document)
    draw_columns(sheet, "article")
    return pdf(document, "Article"), [sheet.text]


def article_scan() -> Drawn:
    """The same two columns as a photograph-like JPEG."""
    sheet = new_sheet(pymupdf.open())
    draw_columns(sheet, "article")
    return jpeg(scan(sheet.page, skew=-1.2, seed=4)), [sheet.text]


def notice_zh() -> Drawn:
    """A notice in simplified Chinese as a PNG."""
    sheet = new_sheet(pymupdf.open())
    draw_chinese(sheet, "notice-zh")
    return png(picture(sheet.page, SCAN_DPI)), [sheet.text]


def walk_zh() -> Drawn:
    """An announcement in traditional Chinese, born-digital."""
    document = pymupdf.open()
    sheet = new_sheet(document)
    draw_chinese(sheet, "notice-zh-hant")
    return pdf(document, "Walk"), [sheet.text]


def upside_down() -> Drawn:
    """A memo that went through the scanner upside-down."""
    sheet = new_sheet(pymupdf.open())
    draw_prose(sheet, "memo")
    return jpeg(scan(sheet.page, seed=5).rotate(180)), [sheet.text]


def rotated() -> Drawn:
    """Pages shown upright only through /Rotate 90: one with text, one scanned."""
    document = pymupdf.open()
    shown = new_sheet(document, (A4[1], A4[0]))
    shown.right = 778
    draw_table(shown, "timetable", [400, 500, 600])
    add_scan(document, scan(shown.page, seed=6))
    for page in document:
        _store_turned(page)
    return pdf(document, "Timetable"), [shown.text, shown.text]


def _store_turned(page: pymupdf.Page) -> None:
    """Store the page's content a quarter turn to the left, and let /Rotate 90 turn it back."""
    width, height = page.rect.width, page.rect.height
    document, xref = page.parent, page.xref
    turn = document.get_new_xref()
    document.update_object(turn, "<<>>")
    document.update_stream(turn, f"0 1 -1 0 {height:g} 0 cm".encode())
    page.clean_contents()
    contents = page.get_contents()
    document.xref_set_key(xref, "Contents", f"[{turn} 0 R {contents[0]} 0 R]")
    page.set_mediabox(pymupdf.Rect(0, 0, height, width))
    page.set_rotation(90)


def receipt() -> Drawn:
    """A till receipt as a PNG."""
    sheet = new_sheet(pymupdf.open(), (226, 350))
    draw_receipt(sheet)
    return png(scan(sheet.page, skew=0.5, seed=7, dpi=200), 200), [sheet.text]


def minutes() -> Drawn:
    """Three pages as a fax: a 1-bit TIFF of several pages."""
    sheets = [new_sheet(pymupdf.open()) for _ in range(3)]
    for part, sheet in enumerate(sheets):
        draw_prose(sheet, "minutes", part)
    first, *rest = (picture(sheet.page, 200).convert("1", dither=0) for sheet in sheets)
    out = io.BytesIO()
    first.save(out, "TIFF", save_all=True, append_images=rest, compression="group4", dpi=(200, 200))
    return out.getvalue(), [sheet.text for sheet in sheets]


SAMPLES: dict[str, Callable[[], Drawn]] = {
    "letter.pdf": letter,
    "invoice-scan.pdf": invoice_scan,
    "mixed.pdf": mixed,
    "article.pdf": article,
    "article-scan.jpg": article_scan,
    "notice-zh.png": notice_zh,
    "walk-zh.pdf": walk_zh,
    "upside-down.jpg": upside_down,
    "rotated.pdf": rotated,
    "receipt.png": receipt,
    "minutes.tif": minutes,
}

if __name__ == "__main__":
    main()
