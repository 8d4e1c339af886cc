"""Scans wrapped in a PDF: every pixel as it was, JPEG files byte for byte, text where it stands."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pymupdf
import pypdfium2
import pytest
from PIL import Image, ImageCms

from ingest.export_session import export_session
from ingest.sandbox import Sandbox
from ocr_core.page import TextLine, Word, quad_of
from storage.exports import scan_pdf
from storage.pages import DocumentRef, PageRecord

WIDTH, HEIGHT = 60, 40
WRAP = Callable[..., Path]


def record(
    page_no: int,
    *lines: TextLine,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    dpi: float = 72,
    rotation: int = 0,
) -> PageRecord:
    return PageRecord(
        document=DocumentRef(1, "a" * 64, "/scans/scan.tif", "image/tiff", 1),
        page_no=page_no,
        state="done",
        lines=lines,
        width=size[0],
        height=size[1],
        dpi=dpi,
        rotation=rotation,
        text_source="ocr",
        verdict="none",
        mean_confidence=0.9,
        seconds=0.5,
        image_sha256="e" * 64,
        error_code=None,
        error_message=None,
        read_by=None,
    )


@pytest.fixture
def wrap(sandbox: Sandbox, tmp_path: Path) -> WRAP:
    """Wraps pages of an image file."""

    def wrap(source: Path, *records: PageRecord, archival: bool = False) -> Path:
        result = tmp_path / "wrapped.pdf"
        with export_session(sandbox, source, len(records)) as session, result.open("wb") as file:
            assert session.kind == "pictures"
            scan_pdf.write(records, session.picture, file.write, archival=archival)
        return result

    return wrap


def drawn(mode: str) -> Image.Image:
    """A picture whose every pixel differs from its mirror images."""
    rows = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    channels = np.stack([rows % 251, rows // 16 % 256, (rows * 7) % 253], axis=2).astype(np.uint8)
    picture = Image.fromarray(channels)
    if mode == "I;16":
        return Image.fromarray((rows * 20).astype(np.uint16))
    if mode == "P":
        return picture.quantize(60)
    if mode == "CMYK":
        return picture.convert("CMYK")
    return picture.convert(mode)


def embedded(path: Path) -> Image.Image:
    """The picture inside a PDF of one page, decoded by pikepdf."""
    with pikepdf.open(path) as pdf:
        image = pdf.pages[0].Resources.XObject.I
        return pikepdf.PdfImage(image).as_pil_image().copy()


def pixels_of(picture: Image.Image, mode: str) -> Any:
    return np.asarray(picture.convert(mode))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_is_embedded_byte_for_byte(wrap: WRAP, tmp_path: Path, mode: str) -> None:
    source = tmp_path / "scan.jpg"
    drawn(mode).save(source, quality=80)
    result = wrap(source, record(1))
    with pikepdf.open(result) as pdf:
        image = pdf.pages[0].Resources.XObject.I
        assert image.read_raw_bytes() == source.read_bytes()
    assert source.read_bytes() in result.read_bytes()


@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        *[("png", mode) for mode in ("1", "L", "P", "RGB", "I;16")],
        *[("tif", mode) for mode in ("1", "L", "P", "RGB", "I;16")],
        *[("bmp", mode) for mode in ("L", "RGB")],
        ("gif", "P"),
        ("webp", "RGB"),
    ],
)
def test_other_pictures_keep_every_pixel(
    wrap: WRAP, tmp_path: Path, ending: str, mode: str
) -> None:
    source = tmp_path / f"scan.{ending}"
    drawn(mode).save(source, **({"lossless": True} if ending == "webp" else {}))
    compared = {"I;16": "I;16", "1": "L", "L": "L"}.get(mode, "RGB")
    with Image.open(source) as before:
        expected = pixels_of(before, compared)
    after = embedded(wrap(source, record(1)))
    if mode == "I;16":  # pikepdf gives no 16-bit pictures: look at the samples themselves
        with pikepdf.open(tmp_path / "wrapped.pdf") as pdf:
            image = pdf.pages[0].Resources.XObject.I
            samples = np.frombuffer(image.read_bytes(), ">u2").reshape(HEIGHT, WIDTH)
        assert (samples == expected).all()
    else:
        assert (pixels_of(after, compared) == expected).all()


def test_the_data_of_a_plain_png_and_of_a_fax_are_taken_as_they_are(
    wrap: WRAP, tmp_path: Path
) -> None:
    png, fax = tmp_path / "a.png", tmp_path / "b.tif"
    drawn("RGB").save(png)
    drawn("1").save(fax, compression="group4")
    with Image.open(fax) as image:
        strip = fax.read_bytes()[image.tag_v2[273][0] :][: image.tag_v2[279][0]]
    with pikepdf.open(wrap(png, record(1))) as pdf:
        image = pdf.pages[0].Resources.XObject.I
        assert image.read_raw_bytes() in png.read_bytes()
    with pikepdf.open(wrap(fax, record(1))) as pdf:
        image = pdf.pages[0].Resources.XObject.I
        assert image.read_raw_bytes() == strip


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_what_is_seen_through_lies_on_white(wrap: WRAP, tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"scan.{ending}"
    picture = Image.new("RGBA", (WIDTH, HEIGHT), (10, 20, 30, 255))
    picture.paste((200, 0, 0, 0), (0, 0, 30, HEIGHT))
    picture.save(source, **({"lossless": True} if ending == "webp" else {}))
    after = embedded(wrap(source, record(1)))
    assert (after.getpixel((5, 5)), after.getpixel((45, 5))) == ((255, 255, 255), (10, 20, 30))


def rendered(path: Path, page: int = 0) -> Image.Image:
    """A page as PDFium draws it, a pixel a point."""
    pdf = pypdfium2.PdfDocument(path)
    try:
        return pdf[page].render(scale=1).to_pil().convert("RGB")
    finally:
        pdf.close()


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    """Colours a few pixels inside the four corners."""
    width, height = picture.size
    return [picture.getpixel((x, y)) for y in (4, height - 5) for x in (4, width - 5)]  # type: ignore[misc]


def quarters() -> Image.Image:
    """Red, green, blue and white quarters."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
    for colour, x, y in (((255, 0, 0), 0, 0), ((0, 255, 0), 30, 0), ((0, 0, 255), 0, 20)):
        picture.paste(colour, (x, y, x + 30, y + 20))
    return picture


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_lies_as_its_orientation_says(
    wrap: WRAP, tmp_path: Path, orientation: int
) -> None:
    from PIL import ImageOps

    source, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = orientation
    quarters().save(source, exif=exif, quality=95, subsampling=0)
    with Image.open(source) as stored:
        upright = ImageOps.exif_transpose(stored)
    shown = rendered(wrap(source, record(1, size=upright.size)))
    assert shown.size == upright.size
    for seen, meant in zip(corners(shown), corners(upright), strict=True):
        assert max(abs(a - b) for a, b in zip(seen, meant, strict=True)) < 40


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_page_that_was_turned_to_be_read_is_shown_upright_with_its_text_upright(
    wrap: WRAP, tmp_path: Path, rotation: int
) -> None:
    source = tmp_path / "scan.png"
    quarters().resize((600, 400)).save(source)
    turned = quarters().resize((600, 400)).rotate(-rotation, expand=True)
    word = Word("upright", quad_of((40, 60, 180, 90)), 0.9)
    line = TextLine("upright", word.quad, 0.9, (word,))
    result = wrap(source, record(1, line, size=turned.size, rotation=rotation))
    assert corners(rendered(result)) == corners(turned)
    width, height = turned.size
    turn = {  # PyMuPDF gives places as if the page were not turned
        90: pymupdf.Matrix(0, 1, -1, 0, width, 0),
        180: pymupdf.Matrix(-1, 0, 0, -1, width, height),
        270: pymupdf.Matrix(0, -1, 1, 0, 0, height),
    }[rotation]
    with pymupdf.open(result) as document:
        ((*place, text, _, _, _),) = document[0].get_text("words")
    box = (pymupdf.Rect(place) * turn).normalize()
    assert text == "upright"
    assert max(abs(a - b) for a, b in zip(box, (40, 60, 180, 90), strict=True)) < 1


def test_pages_have_the_size_of_the_paper(wrap: WRAP, tmp_path: Path) -> None:
    source = tmp_path / "scan.png"
    Image.new("L", (1654, 2339)).save(source, dpi=(200, 200))
    read = record(1, size=(1654, 2339), dpi=200)
    unread = PageRecord(
        **{
            **{name: getattr(read, name) for name in read.__dataclass_fields__},
            "state": "quarantined",
            "width": None,
            "height": None,
            "dpi": None,
        }
    )
    for page in (read, unread):
        with pymupdf.open(wrap(source, page)) as document:
            width, height = document[0].rect.width, document[0].rect.height
        assert (round(width), round(height)) == (595, 842)


def test_a_plan_larger_than_pdf_allows_has_larger_units(wrap: WRAP, tmp_path: Path) -> None:
    source = tmp_path / "plan.png"
    Image.new("1", (30_000, 200)).save(source, dpi=(72, 72))
    with pikepdf.open(wrap(source, record(1, size=(30_000, 200), dpi=72))) as pdf:
        page = pdf.pages[0]
        assert float(page.MediaBox[2]) * float(page.UserUnit) == pytest.approx(30_000, abs=2)
        assert page.MediaBox[2] <= 14_400


def test_all_frames_of_a_fax_become_pages(wrap: WRAP, tmp_path: Path) -> None:
    source = tmp_path / "fax.tif"
    frames = [Image.new("1", (WIDTH, HEIGHT), number % 2) for number in range(3)]
    frames[0].save(source, save_all=True, append_images=frames[1:], compression="group4")
    result = wrap(source, *(record(number) for number in (1, 2, 3)))
    assert [rendered(result, page).getpixel((9, 9))[0] for page in range(3)] == [0, 255, 0]
    with pikepdf.open(result) as pdf:
        assert pdf.check_pdf_syntax() == []


def test_colours_keep_their_profile(wrap: WRAP, tmp_path: Path) -> None:
    source = tmp_path / "scan.jpg"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    quarters().save(source, icc_profile=profile)
    with pikepdf.open(wrap(source, record(1))) as pdf:
        image = pdf.pages[0].Resources.XObject.I
        kind, stream = image.ColorSpace
        assert (kind, stream.N, stream.read_bytes()) == ("/ICCBased", 3, profile)


def test_the_same_export_twice_is_the_same_file(wrap: WRAP, tmp_path: Path) -> None:
    source = tmp_path / "scan.png"
    quarters().save(source)
    first = wrap(source, record(1)).read_bytes()
    assert wrap(source, record(1)).read_bytes() == first
    assert io.BytesIO(first).read(5) == b"%PDF-"
