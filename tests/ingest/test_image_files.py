"""Image files of every type and mode, drawn here, as a reader of pages gets to see them."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from ingest.content import PageContent
from ingest.errors import DamagedFile, PageDamaged
from ingest.sandbox import Sandbox

Pixels = npt.NDArray[np.uint8]


def corner_picture(mode: str = "RGB") -> Image.Image:
    """60 x 40 white, its top left quarter black: any turn or mirroring shows."""
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste("black", (0, 0, 30, 20))
    return picture.convert(mode)


# 64 x 64, the top left quarter black, encoded once with x265: no package here can write HEIC.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAA"
    "AAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABegABAAAAAAAAABwAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAA"
    "AAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34"
    "+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqSSmu"
    "bgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAA"
    "QAAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAACRtZGF0AAAAGCgBr1j4gZJf//rn63pb"
    "+2C1Xnn7tTubgA=="
)


def corners(page: PageContent) -> str:
    """Top left, top right, bottom right, bottom left: # where it is dark."""
    assert page.image is not None
    high, wide = page.height, page.width
    places = ((0.25, 0.25), (0.25, 0.75), (0.75, 0.75), (0.75, 0.25))
    dark = (page.image[int(y * high), int(x * wide)].mean() < 128 for y, x in places)
    return "".join("#" if here else "." for here in dark)


@pytest.fixture
def read(sandbox: Sandbox, tmp_path: Path) -> Callable[..., PageContent]:
    """Saves a picture and reads it back through the sandbox."""

    def save_and_read(
        picture: Image.Image, kind: str, page_no: int = 1, **how: object
    ) -> PageContent:
        path = tmp_path / f"picture-{kind}"
        picture.save(path, kind, **how)
        return sandbox.page(path, page_no)

    return save_and_read


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "JPEG2000"])
def test_every_type_is_read_at_its_own_pixels(read: Callable[..., PageContent], kind: str) -> None:
    page = read(corner_picture(), kind)
    assert (page.width, page.height, page.verdict) == (60, 40, "none")
    assert corners(page) == "#..."


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *[("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
        *[("TIFF", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "YCbCr")],
        *[("TIFF", mode) for mode in ("I;16", "F", "I")],
        *[("JPEG", mode) for mode in ("L", "RGB", "CMYK")],
        *[("BMP", mode) for mode in ("1", "L", "P", "RGB")],
        *[("WEBP", mode) for mode in ("RGB", "RGBA")],
        *[("JPEG2000", mode) for mode in ("L", "LA", "RGB", "RGBA", "I;16")],
    ],
)
def test_every_mode_keeps_black_black_and_white_white(
    read: Callable[..., PageContent], kind: str, mode: str
) -> None:
    grey = np.asarray(corner_picture("L"))
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(grey.astype(np.float32) / 255)
    elif mode == "LAB":
        profiles = (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"))
        changed = ImageCms.profileToProfile(corner_picture(), *profiles, outputMode="LAB")
        assert changed is not None
        picture = changed
    else:
        picture = corner_picture(mode)
    page = read(picture, kind)
    assert page.image is not None
    assert corners(page) == "#..."
    assert page.image[5, 5].max() < 40
    assert page.image[35, 55].min() > 235


def test_twelve_bits_in_sixteen_are_not_taken_for_black(read: Callable[..., PageContent]) -> None:
    # a 12-bit scanner's white is 4095, a sixteenth of what 16 bits can hold
    samples = np.asarray(corner_picture("L")).astype(np.uint16) * 16
    assert corners(read(Image.fromarray(samples), "TIFF")) == "#..."


def test_heights_are_stretched_from_the_lowest_to_the_highest(
    read: Callable[..., PageContent],
) -> None:
    heights = np.asarray(corner_picture("L")).astype(np.float32) * 10 - 400
    heights[39, 59] = np.nan
    assert corners(read(Image.fromarray(heights), "TIFF")) == "#..."


def test_white_is_zero_is_understood_in_sixteen_bits(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "white-is-zero.tif"
    samples = 65535 - np.asarray(corner_picture("L")).astype(np.uint16) * 257
    Image.fromarray(samples).save(path, tiffinfo={262: 0})
    data = bytearray(path.read_bytes())
    entry = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")  # the tag itself, as Pillow wrote it
    data[entry + 8 : entry + 10] = b"\0\0"
    path.write_bytes(data)
    assert corners(sandbox.page(path, 1)) == "#..."


def test_what_is_see_through_is_white(read: Callable[..., PageContent]) -> None:
    ink = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (0, 0, 30, 20))
    assert corners(read(ink, "PNG")) == "#..."
    palette = corner_picture("P")
    assert corners(read(palette, "PNG", transparency=palette.getpixel((50, 30)))) == "#..."


def test_half_see_through_ink_is_grey(read: Callable[..., PageContent]) -> None:
    page = read(Image.new("LA", (20, 20), (0, 128)).resize((20, 20)), "PNG")
    assert page.verdict == "blank"  # one colour everywhere: nothing to read


def test_cmyk_with_a_profile_of_no_use_is_read_without_it(read: Callable[..., PageContent]) -> None:
    """A real profile of inks is too large to draw here; broken and unfit ones are not."""
    inks = corner_picture("CMYK")
    assert corners(read(inks, "TIFF", icc_profile=b"no profile")) == "#..."
    screen = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert corners(read(inks, "TIFF", icc_profile=screen)) == "#..."


@pytest.mark.parametrize(
    ("orientation", "seen", "size"),
    [
        (1, "#...", (60, 40)),
        (2, ".#..", (60, 40)),
        (3, "..#.", (60, 40)),
        (4, "...#", (60, 40)),
        (5, "#...", (40, 60)),
        (6, ".#..", (40, 60)),
        (7, "..#.", (40, 60)),
        (8, "...#", (40, 60)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP", "AVIF"])
def test_orientation_is_applied_once(
    sandbox: Sandbox, tmp_path: Path, kind: str, orientation: int, seen: str, size: tuple[int, int]
) -> None:
    path = tmp_path / "turned"
    exif = Image.Exif()
    exif[0x0112] = orientation
    corner_picture().save(path, kind, exif=exif)
    page, facts = sandbox.page(path, 1), sandbox.split(path).pages[0]
    assert corners(page) == seen
    assert (page.width, page.height) == size == (facts.width, facts.height)


def test_heic_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(HEIC)
    assert sandbox.split(path).media_type == "image/heic"
    page = sandbox.page(path, 1)
    assert (page.width, page.height, corners(page)) == (64, 64, "#...")


def test_exif_of_nonsense_is_passed_over(read: Callable[..., PageContent]) -> None:
    assert corners(read(corner_picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")) == "#..."


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "GIF", "WEBP", "AVIF"])
def test_frames_are_pages_in_any_order(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    flip = Image.Transpose
    ways = (flip.FLIP_LEFT_RIGHT, flip.ROTATE_180, flip.FLIP_TOP_BOTTOM)
    frames = [corner_picture().transpose(way) for way in ways]
    path = tmp_path / "frames"
    corner_picture().save(path, kind, save_all=True, append_images=frames)
    assert sandbox.split(path).page_count == 4
    for number in (1, 2, 3, 4, 2, 1, 4):
        shown = sandbox.page(path, number)
        assert corners(shown) == ("#...", ".#..", "..#.", "...#")[number - 1]


def test_pages_of_a_tiff_keep_their_own_sizes(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "sizes.tif"
    sizes = [(60, 40), (30, 80), (100, 10)]
    pages = [corner_picture().resize(size) for size in sizes]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert [(page.width, page.height) for page in sandbox.split(path).pages] == sizes
    assert [sandbox.page(path, number).width for number in (3, 1, 2)] == [100, 60, 30]


@pytest.mark.parametrize(
    "compression", ["group3", "group4", "tiff_lzw", "tiff_adobe_deflate", "jpeg"]
)
def test_compressed_tiffs_are_read(read: Callable[..., PageContent], compression: str) -> None:
    picture = corner_picture("1" if compression.startswith("group") else "RGB")
    assert corners(read(picture, "TIFF", compression=compression)) == "#..."


def test_only_the_first_picture_of_a_multi_picture_jpeg_is_the_page(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "phone.jpg"
    corner_picture().save(path, "MPO", save_all=True, append_images=[corner_picture("L")])
    assert sandbox.split(path).page_count == 1
    assert corners(sandbox.page(path, 1)) == "#..."


def test_a_progressive_jpeg_is_read(read: Callable[..., PageContent]) -> None:
    assert corners(read(corner_picture(), "JPEG", progressive=True)) == "#..."


def test_declared_resolution_is_kept_and_nonsense_replaced(
    read: Callable[..., PageContent],
) -> None:
    assert read(corner_picture(), "PNG", dpi=(300, 300)).dpi == pytest.approx(300, abs=0.1)
    assert read(corner_picture(), "TIFF", dpi=(300, 300)).dpi == pytest.approx(300, abs=0.1)
    large = corner_picture().resize((1100, 2200))
    # 1 dpi would make it 55 metres high: rather a letter page, 2200 pixels on 11 inches
    assert read(large, "JPEG", dpi=(1, 1)).dpi == pytest.approx(200)


def test_resolution_in_centimetres_is_turned_into_inches(
    read: Callable[..., PageContent],
) -> None:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[282] = info[283] = 118.11  # pixels a centimetre
    info[296] = 3
    assert read(corner_picture(), "TIFF", tiffinfo=info).dpi == pytest.approx(300, abs=0.1)


def test_a_fax_page_is_stretched_to_square_pixels(read: Callable[..., PageContent]) -> None:
    # standard resolution of Group 3: 204 dpi across, 98 dpi down
    page = read(corner_picture("1"), "TIFF", dpi=(204, 98), compression="group3")
    assert (page.width, page.height) == (60, int(40 * 204 / 98))
    assert page.dpi == pytest.approx(204, abs=0.1)
    assert corners(page) == "#..."


def test_another_resolution_can_be_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    corner_picture().resize((600, 400)).save(path, dpi=(300, 300))
    page = sandbox.page(path, 1, dpi=150)
    assert (page.width, page.height) == (300, 200)
    assert page.dpi == pytest.approx(150, abs=0.1)


def test_a_page_of_one_colour_is_blank(read: Callable[..., PageContent]) -> None:
    for colour in ("white", "black", "red"):
        page = read(Image.new("RGB", (50, 50), colour), "PNG")
        assert (page.verdict, page.image) == ("blank", None)
    speck = Image.new("RGB", (50, 50), "white")
    speck.putpixel((20, 30), (250, 250, 250))
    assert read(speck, "PNG").verdict == "none"


def test_a_damaged_page_of_a_tiff_does_not_take_the_others_along(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "one-bad.tif"
    noise = [Image.effect_noise((64, 64), 50) for _ in range(3)]
    noise[0].save(path, save_all=True, append_images=noise[1:], compression="tiff_adobe_deflate")
    data = bytearray(path.read_bytes())
    with Image.open(path) as tiff:
        tiff.seek(1)
        start = tiff.tag_v2[273][0]  # type: ignore[attr-defined]
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    assert sandbox.split(path).page_count == 3
    assert sandbox.page(path, 1).image is not None
    with pytest.raises(PageDamaged):
        sandbox.page(path, 2)
    assert sandbox.page(path, 3).image is not None


def test_a_large_picture_cut_short_is_refused_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.effect_noise((1500, 1200), 60).save(whole, "JPEG")
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole.getvalue()[:-20_000])
    with pytest.raises(DamagedFile):
        sandbox.split(path)
