"""How PDF pages are opened and drawn."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

from ingest.content import PageContent
from ingest.errors import EncryptionUnsupported, PasswordNeeded
from ingest.sandbox import Sandbox

Make = Callable[..., Path]
Draw = Callable[[pymupdf.Page], object]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Saves a PDF of one page that a function draws."""

    def save(
        draw: Callable[[pymupdf.Page], object],
        width: float = 612,
        height: float = 792,
        **how: object,
    ) -> Path:
        path = tmp_path / "made.pdf"
        with pymupdf.open() as document:
            draw(document.new_page(width=width, height=height))
            document.save(path, **how)
        return path

    return save


def noise(width: int, height: int, mode: str = "L") -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 256, (height, width), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def placed(picture: Image.Image, box: tuple[float, float, float, float], turn: int = 0) -> Draw:
    def draw(page: pymupdf.Page) -> None:
        pixmap = pymupdf.Pixmap(
            pymupdf.csRGB, *picture.size, picture.convert("RGB").tobytes(), False
        )
        page.insert_image(box, pixmap=pixmap, rotate=turn)

    return draw


def test_a_page_of_fonts_is_drawn_at_200_dpi(sandbox: Sandbox, letter: Path) -> None:
    page = sandbox.page(letter, 1, mode="redo")
    # 595 x 842 points, rounded outwards: 595 * 200 / 72 = 1652.8
    assert (page.width, page.height, page.dpi) == (1653, 2339, pytest.approx(200))


def test_a_scan_that_fills_its_page_keeps_its_very_pixels(sandbox: Sandbox, make: Make) -> None:
    scan = noise(1275, 1650)
    page = sandbox.page(make(placed(scan, (0, 0, 612, 792))), 1)
    assert page.image is not None
    assert (page.width, page.height, page.dpi) == (1275, 1650, pytest.approx(150))
    assert np.array_equal(page.image[:, :, 0], np.asarray(scan))


def test_a_scan_lying_on_its_side_keeps_its_pixels_too(sandbox: Sandbox, make: Make) -> None:
    scan = noise(1650, 1275)
    page = sandbox.page(make(placed(scan, (0, 0, 612, 792), turn=90)), 1)
    assert page.image is not None
    assert np.array_equal(page.image[:, :, 0], np.rot90(np.asarray(scan), -1)) or np.array_equal(
        page.image[:, :, 0], np.rot90(np.asarray(scan))
    )


@pytest.mark.parametrize(
    ("scan", "drawn"),
    [
        ((612, 792), 150),  # 72 dpi: enlarged, but no more than to 150
        ((1700, 2200), 200),  # as it is
        ((5100, 6600), 319),  # 600 dpi: to the pixels of A4 at 300 dpi on 11 inches
    ],
)
def test_a_scan_is_drawn_at_its_own_resolution_within_bounds(
    sandbox: Sandbox, make: Make, scan: tuple[int, int], drawn: int
) -> None:
    page = sandbox.page(make(placed(noise(*scan), (0, 0, 612, 792))), 1)
    assert page.dpi == pytest.approx(drawn, abs=1)


def test_a_small_page_with_a_fine_scan_keeps_its_letters(sandbox: Sandbox, make: Make) -> None:
    # a letter page scanned well, but placed on 2.1 x 2.8 inches: 300 dpi would leave 600 pixels
    page = sandbox.page(make(placed(noise(1700, 2200), (0, 0, 153, 198)), 153, 198), 1)
    assert (page.width, page.height) == (1700, 2200)


def test_a_scan_in_strips_is_known_by_the_resolution_of_its_strips(
    sandbox: Sandbox, make: Make
) -> None:
    def draw(page: pymupdf.Page) -> None:
        for top in range(0, 792, 99):
            placed(noise(1275, 206), (0, top, 612, top + 99))(page)

    assert sandbox.page(make(draw), 1).dpi == pytest.approx(150, abs=1)


def test_a_tiny_page_is_enlarged(sandbox: Sandbox, make: Make) -> None:
    page = sandbox.page(make(lambda page: page.draw_circle((20, 10), 5), 40, 20), 1)
    assert page.width == pytest.approx(800, abs=1)


@pytest.mark.parametrize(
    ("width", "height"), [(160, 160), (595.276, 841.89), (612, 792), (77.3, 9)]
)
def test_a_page_has_one_size_whether_its_text_is_taken_or_it_is_drawn(
    sandbox: Sandbox, make: Make, width: float, height: float
) -> None:
    # 160 points are 444.4 pixels at 200 dpi: a picture of them has 445
    path = make(lambda page: page.insert_text((4, 8), "true text", fontsize=7), width, height)
    taken, drawn = (sandbox.page(path, 1, mode=mode) for mode in ("skip", "redo"))
    assert (taken.width, taken.height) == (drawn.width, drawn.height)


def test_another_resolution_can_be_asked_for(sandbox: Sandbox, letter: Path) -> None:
    page = sandbox.page(letter, 1, mode="redo", dpi=72)
    assert (page.width, page.height, page.dpi) == (595, 842, pytest.approx(72))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_page_is_drawn_and_its_text_placed_upright(
    sandbox: Sandbox, make: Make, turn: int
) -> None:
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((72, 100), "Upright in the file", fontsize=30)
        page.set_rotation(turn)

    path = make(draw)
    facts = sandbox.split(path).pages[0]
    assert facts.rotation == turn
    assert (facts.width, facts.height) == ((612, 792) if turn in (0, 180) else (792, 612))
    text, drawn = sandbox.page(path, 1), sandbox.page(path, 1, mode="redo")
    assert (text.width, text.height) == (drawn.width, drawn.height)
    assert_ink_in_the_line(text, drawn)


def assert_ink_in_the_line(text: PageContent, drawn: PageContent) -> None:
    """Every dark pixel of the page lies inside the quad of its only line, and fills it well."""
    assert drawn.image is not None
    (line,) = text.lines
    y, x = np.nonzero(drawn.image[:, :, 0] < 128)
    x0, y0, x1, y1 = line.box
    assert x0 - 2 <= x.min() < x0 + 40
    assert x1 - 40 < x.max() <= x1 + 2
    assert y0 - 2 <= y.min()
    assert y.max() <= y1 + 2


def test_the_quad_of_turned_text_begins_at_its_own_top_left(sandbox: Sandbox, make: Make) -> None:
    path = make(lambda page: page.insert_text((300, 400), "Upwards", fontsize=30, rotate=90))
    text, drawn = sandbox.page(path, 1), sandbox.page(path, 1, mode="redo")
    assert_ink_in_the_line(text, drawn)
    top_left, top_right, _, _ = text.lines[0].quad
    assert top_right[1] < top_left[1] - 100  # it runs upwards
    assert top_right[0] == pytest.approx(top_left[0], abs=1)


def test_a_cropped_page_shows_and_says_only_what_is_inside(sandbox: Sandbox, make: Make) -> None:
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((100, 100), "outside the crop")
        page.insert_text((320, 420), "inside the crop")
        page.set_cropbox(pymupdf.Rect(300, 396, 612, 792))

    page = sandbox.page(make(draw), 1)
    assert [line.text for line in page.lines] == ["inside the crop"]
    assert page.lines[0].box[0] == pytest.approx(20 * 200 / 72, abs=3)


def test_notes_and_filled_forms_are_part_of_the_page(sandbox: Sandbox, make: Make) -> None:
    def draw(page: pymupdf.Page) -> None:
        page.insert_text((72, 72), "Name:")
        field = pymupdf.Widget()
        field.field_type, field.field_name = pymupdf.PDF_WIDGET_TYPE_TEXT, "name"
        field.rect, field.field_value = pymupdf.Rect(120, 55, 300, 80), "Ada Lovelace"
        page.add_widget(field)
        page.add_freetext_annot((72, 200, 300, 230), "seen and approved")

    texts = [line.text for line in sandbox.page(make(draw), 1).lines]
    assert sorted(texts) == ["Ada Lovelace", "Name:", "seen and approved"]


def test_inverted_and_odd_colours_come_out_right(sandbox: Sandbox, raw_pdf: Make) -> None:
    """A fax picture whose Decode array turns black and white, and CMYK ink."""
    picture = (
        b"<</Type/XObject/Subtype/Image/Width 8/Height 2/BitsPerComponent 1/ColorSpace/DeviceGray"
        b"/Decode[1 0]/Length 2>>stream\n\x0f\x0f\nendstream"
    )
    content = (
        b"q 100 0 0 100 0 0 cm /I Do Q 0 0 0 1 k 120 20 60 60 re f 0 0 0 0 k 140 40 20 20 re f"
    )
    path = raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R"
        b"/Resources<</XObject<</I 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        picture,
    )
    page = sandbox.page(path, 1, dpi=72)
    assert page.image is not None
    # bits 0000 1111, inverted: the left half is white
    assert page.image[50, 25].min() > 250
    assert page.image[50, 75].max() < 5
    assert page.image[50, 130].max() < 60
    assert page.image[50, 150].min() > 250


def encrypted(make: Make, **how: object) -> Path:
    return make(lambda page: page.insert_text((72, 72), "for your eyes only"), **how)


@pytest.mark.parametrize(
    "way",
    [pymupdf.PDF_ENCRYPT_RC4_40, pymupdf.PDF_ENCRYPT_RC4_128, pymupdf.PDF_ENCRYPT_AES_256],
)
def test_a_password_opens_the_document_and_its_pages(
    sandbox: Sandbox, make: Make, way: int
) -> None:
    path = encrypted(make, encryption=way, user_pw="Größe", owner_pw="owner")
    for passwords in ((), ("", "wrong")):
        with pytest.raises(PasswordNeeded):
            sandbox.split(path, passwords)
        with pytest.raises(PasswordNeeded):
            sandbox.page(path, 1, passwords=passwords)
    assert sandbox.split(path, ("wrong", "Größe")).encrypted
    page = sandbox.page(path, 1, passwords=("wrong", "Größe"))
    assert page.lines[0].text == "for your eyes only"


def test_an_owner_password_alone_is_no_obstacle(sandbox: Sandbox, make: Make) -> None:
    path = encrypted(make, encryption=pymupdf.PDF_ENCRYPT_AES_256, owner_pw="owner", permissions=0)
    assert sandbox.split(path).encrypted
    assert sandbox.page(path, 1).lines[0].text == "for your eyes only"


def test_encryption_for_certificates_is_told_apart(sandbox: Sandbox, raw_pdf: Make) -> None:
    path = raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        b"<</Filter/Adobe.PubSec/V 4/SubFilter/adbe.pkcs7.s5/Recipients[<00>]>>",
    )
    path.write_bytes(
        path.read_bytes().replace(b"/Root 1 0 R", b"/Root 1 0 R/Encrypt 4 0 R/ID[<0><0>]")
    )
    with pytest.raises(EncryptionUnsupported):
        sandbox.split(path)


def test_a_title_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "titled.pdf"
    with pymupdf.open() as document:
        document.new_page()
        document.set_metadata({"title": "年度報告"})
        document.save(path)
    assert sandbox.split(path).title == "年度報告"


def jpeg(picture: Image.Image, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, **how)
    return file.getvalue()


def shade(width: int = 600, height: int = 800) -> Image.Image:
    """Dark at the top left, light at the bottom right: no turn or mirroring looks the same."""
    rows, columns = np.mgrid[0:height, 0:width]
    levels = 40 + 120 * rows / height + 80 * columns / width
    return Image.fromarray(levels.astype(np.uint8))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_page_that_is_one_jpeg_has_its_very_pixels(
    sandbox: Sandbox, make: Make, turn: int, mode: str
) -> None:
    """They are taken from the file, not drawn; MuPDF's drawing agrees but for its rounding."""
    data = jpeg(shade().convert(mode))
    sideways = turn in (90, 270)

    def draw(page: pymupdf.Page) -> None:
        page.insert_image(page.rect, stream=data, keep_proportion=False)
        page.set_rotation(turn)

    path = make(draw, 216, 288)
    page = sandbox.page(path, 1)
    assert page.image is not None
    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(page.image, np.rot90(stored, -turn // 90))
    assert (page.width, page.height) == ((800, 600) if sideways else (600, 800))


@pytest.mark.parametrize(
    "more",
    [
        lambda page: page.insert_text((20, 20), "seen", color=(1, 1, 1)),
        lambda page: page.draw_rect((50, 50, 150, 150), fill=(1, 0, 0)),
        lambda page: page.add_rect_annot((50, 50, 150, 150)),
    ],
)
def test_whatever_is_painted_over_the_jpeg_is_drawn(
    sandbox: Sandbox, make: Make, more: Draw
) -> None:
    data = jpeg(shade())

    def draw(page: pymupdf.Page) -> None:
        page.insert_image(page.rect, stream=data, keep_proportion=False)
        more(page)

    page = sandbox.page(make(draw, 216, 288), 1, mode="redo")
    assert page.image is not None
    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(page.image - stored).max() > 60


@pytest.mark.parametrize("change", ["Decode", "clip", "faint"])
def test_a_jpeg_that_the_page_changes_is_drawn(
    sandbox: Sandbox, raw_pdf: Make, change: str
) -> None:
    data = jpeg(shade())
    extra = b"/Decode[1 0]" if change == "Decode" else b""
    before = {"clip": b"0 0 100 100 re W n ", "faint": b"/G gs "}.get(change, b"")
    content = before + b"216 0 0 288 0 0 cm /I Do"
    path = raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 216 288]/Contents 4 0 R"
        b"/Resources<</XObject<</I 5 0 R>>/ExtGState<</G<</ca 0.2>>>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/XObject/Subtype/Image/Width 600/Height 800/BitsPerComponent 8/Filter/DCTDecode"
        b"/ColorSpace/DeviceGray%b/Length %d>>stream\n%b\nendstream" % (extra, len(data), data),
    )
    page = sandbox.page(path, 1)
    assert page.image is not None
    assert page.image[10, 10].min() > 180  # stored at 41: inverted, cut off or faint
