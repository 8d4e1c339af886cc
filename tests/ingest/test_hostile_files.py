"""Files made to harm whoever opens them. All are drawn here; each must end cleanly and soon."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ingest.errors import (
    DamagedFile,
    DocumentRefused,
    IngestError,
    NoPages,
    OutOfMemory,
    PasswordNeeded,
    SandboxDied,
    TimeLimit,
    TooManyPages,
    TooManyPixels,
    UnsupportedType,
)
from ingest.media import Limits
from ingest.sandbox import Sandbox

RawPdf = Callable[..., Path]
CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"


def tree(count: int = 1) -> bytes:
    return b"<</Type/Pages/Count %d/Kids[%b]>>" % (count, b"3 0 R " * count)


def page(box: bytes = b"0 0 200 200", extra: bytes = b"") -> bytes:
    return b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents 4 0 R%b>>" % (box, extra)


def stream(content: bytes, extra: bytes = b"") -> bytes:
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(content), extra, content)


def squeezed(content: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        content = zlib.compress(content, 9)
    return stream(content, b"/Filter[%b]" % (b"/FlateDecode" * times))


def code(act: Callable[[], object]) -> str:
    """The code of the error an act ends with, or "" if it ends well."""
    try:
        act()
    except IngestError as error:
        return error.code
    return ""


def png(width: int, height: int, rows: bytes, colour: int = 0, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def test_a_page_of_two_million_points_is_drawn_small(sandbox: Sandbox, raw_pdf: RawPdf) -> None:
    path = raw_pdf(CATALOGUE, tree(), page(b"0 0 2000000 2000000"), stream(b"0 0 9e5 9e5 re f"))
    content = sandbox.page(path, 1)
    assert content.image is not None
    assert 50_000_000 < content.width * content.height <= Limits().max_pixels
    assert content.dpi < 1


def test_user_units_enlarge_the_page(sandbox: Sandbox, raw_pdf: RawPdf) -> None:
    # 144 units of 10 points each: 20 inches, 4000 pixels at 200 dpi
    path = raw_pdf(CATALOGUE, tree(), page(b"0 0 144 72", b"/UserUnit 10"), stream(b"0 0 9 9 re f"))
    content = sandbox.page(path, 1)
    assert (content.width, content.height, round(content.dpi)) == (4000, 2000, 200)


@pytest.mark.parametrize("box", [b"0 0 1 2000000", b"0 0 0.001 0.001", b"5 5 5 5", b"9 9 0 0"])
def test_any_page_box_ends_in_a_picture_of_bounded_size(
    sandbox: Sandbox, raw_pdf: RawPdf, box: bytes
) -> None:
    path = raw_pdf(CATALOGUE, tree(), page(box), stream(b"0 0 9 9 re f"))
    content = sandbox.page(path, 1)
    assert 1 <= content.width * content.height <= Limits().max_pixels
    assert max(content.width, content.height) <= 60_001


@pytest.mark.parametrize("box", [b"0 0 nan inf", b"", b"/A /B /C /D", b"0 0 1e99 1e99"])
def test_a_page_box_of_nonsense_ends_cleanly(sandbox: Sandbox, raw_pdf: RawPdf, box: bytes) -> None:
    path = raw_pdf(CATALOGUE, tree(), page(box), stream(b"0 0 9 9 re f"))
    assert code(lambda: sandbox.page(path, 1)) in ("", "page_damaged")


def test_forms_that_draw_each_other_run_into_the_time_limit(
    strict_sandbox: Sandbox, raw_pdf: RawPdf
) -> None:
    # 12 levels, each drawing the next ten times: 10^12 rectangles in 3 kB
    forms = [
        stream(
            b"/F Do " * 10 if level < 12 else b"0 0 1 1 re f",
            b"/Type/XObject/Subtype/Form/BBox[0 0 200 200]/Resources<</XObject<</F %d 0 R>>>>"
            % (5 + level),
        )
        for level in range(1, 13)
    ]
    resources = b"/Resources<</XObject<</F 5 0 R>>>>"
    path = raw_pdf(CATALOGUE, tree(), page(extra=resources), stream(b"/F Do"), *forms)
    with pytest.raises(TimeLimit) as error:
        strict_sandbox.page(path, 1)
    assert error.value.blames_page


def test_a_form_that_draws_itself_does_no_harm(sandbox: Sandbox, raw_pdf: RawPdf) -> None:
    form = stream(
        b"0 0 50 50 re f /F Do",
        b"/Type/XObject/Subtype/Form/BBox[0 0 200 200]/Resources<</XObject<</F 5 0 R>>>>",
    )
    resources = b"/Resources<</XObject<</F 5 0 R>>>>"
    path = raw_pdf(CATALOGUE, tree(), page(extra=resources), stream(b"/F Do"), form)
    assert sandbox.page(path, 1).image is not None


def test_operators_without_end_in_a_small_file_do_not_eat_the_machine(
    strict_sandbox: Sandbox, raw_pdf: RawPdf
) -> None:
    # 120 MB of lines, squeezed to a kilobyte in three rounds
    path = raw_pdf(CATALOGUE, tree(), page(), squeezed(b"1 1 m 9 9 l S " * 8_000_000, times=3))
    assert path.stat().st_size < 5_000
    with pytest.raises(SandboxDied):
        strict_sandbox.page(path, 1)


def test_a_page_that_needs_more_memory_than_allowed_is_out_of_memory(
    raw_pdf: RawPdf,
) -> None:
    # one path of 8 M points, which take about 70 MB
    path = raw_pdf(CATALOGUE, tree(), page(), squeezed(b"1 1 m 9 9 l " * 4_000_000, times=3))
    limits = Limits(memory_bytes=48 * 1024**2, cpu_seconds=60, cpu_seconds_a_page=60)
    with Sandbox(limits) as sandbox, pytest.raises(OutOfMemory):
        sandbox.page(path, 1)


def test_a_picture_inside_a_page_may_unfold_but_not_without_end(
    strict_sandbox: Sandbox, raw_pdf: RawPdf
) -> None:
    # 10 000 x 10 000 RGB, squeezed twice: 300 MB from 1 kB
    picture = zlib.compress(zlib.compress(bytes(3 * 10_000) * 10_000, 9), 9)
    image = stream(
        picture,
        b"/Type/XObject/Subtype/Image/Width 10000/Height 10000/BitsPerComponent 8"
        b"/ColorSpace/DeviceRGB/Filter[/FlateDecode/FlateDecode]",
    )
    resources = b"/Resources<</XObject<</I 5 0 R>>>>"
    path = raw_pdf(
        CATALOGUE, tree(), page(extra=resources), stream(b"200 0 0 200 0 0 cm /I Do"), image
    )
    ends = ("", "time_limit", "out_of_memory")
    assert code(lambda: strict_sandbox.page(path, 1)) in ends


def test_a_png_of_30000_by_30000_is_refused_before_it_is_decoded(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(30_000, 30_000, zlib.compress(bytes(30_001) * 300, 9)))
    with pytest.raises(TooManyPixels):
        sandbox.split(path)


def test_a_colour_picture_is_measured_by_the_memory_it_takes(
    strict_sandbox: Sandbox, tmp_path: Path
) -> None:
    # 25 M pixels are allowed, but Pillow takes 4 bytes for each: 100 MB of 256
    path = tmp_path / "large.png"
    Image.new("RGB", (6500, 6500)).save(path)  # 42 M pixels: 169 MB, more than 65 % of 256
    with pytest.raises(TooManyPixels):
        strict_sandbox.split(path)


def test_a_large_scan_is_made_smaller_not_refused(strict_sandbox: Sandbox, tmp_path: Path) -> None:
    # 5000 x 5000 in a limit of 4 M pixels: halved twice to 1666 or so, at a third of its 300 dpi
    path = tmp_path / "scan.png"
    picture = Image.new("L", (5000, 5000), 255)
    picture.paste(0, (0, 0, 2500, 5000))
    picture.save(path, dpi=(300, 300))
    content = strict_sandbox.page(path, 1)
    assert content.image is not None
    assert 1_500_000 < content.width * content.height <= 4_000_000
    assert content.dpi == pytest.approx(300 * content.width / 5000, rel=0.01)
    assert content.image[0, 0, 0] == 0
    assert content.image[-1, -1, 0] == 255


def test_a_gif_whose_second_frame_is_enormous_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    frames = io.BytesIO()
    first = Image.new("P", (10, 10))
    second = first.copy()
    second.putpixel((3, 3), 1)
    first.save(frames, "GIF", save_all=True, append_images=[second])
    data = bytearray(frames.getvalue())
    last = data.rindex(b",")  # the image descriptor: left, top, width, height
    data[last + 5 : last + 9] = struct.pack("<HH", 65535, 65535)
    path = tmp_path / "bomb.gif"
    path.write_bytes(data)
    with pytest.raises(TooManyPixels):
        sandbox.split(path)


def test_more_pages_than_the_limit_are_refused(tmp_path: Path) -> None:
    pdf, tiff = tmp_path / "pages.pdf", tmp_path / "pages.tif"
    with pymupdf.open() as document:
        for _ in range(11):
            document.new_page()
        document.save(pdf)
    Image.new("L", (8, 8)).save(tiff, save_all=True, append_images=[Image.new("L", (8, 8))] * 10)
    with Sandbox(Limits(max_pages=10)) as sandbox:
        for path in (pdf, tiff):
            with pytest.raises(TooManyPages, match="11 pages, at most 10"):
                sandbox.split(path)


def test_a_page_tree_that_claims_a_billion_pages_ends_cleanly(
    sandbox: Sandbox, raw_pdf: RawPdf
) -> None:
    path = raw_pdf(CATALOGUE, b"<</Type/Pages/Count 1000000000/Kids[3 0 R]>>", page(), stream(b""))
    ends = ("", "too_many_pages", "damaged_file")
    assert code(lambda: sandbox.split(path)) in ends


def test_a_page_tree_that_contains_itself_ends_cleanly(sandbox: Sandbox, raw_pdf: RawPdf) -> None:
    path = raw_pdf(CATALOGUE, b"<</Type/Pages/Count 5/Kids[2 0 R 2 0 R]>>")
    assert code(lambda: sandbox.split(path)) in ("damaged_file", "no_pages")


def test_objects_nested_a_hundred_thousand_deep_end_cleanly(
    sandbox: Sandbox, raw_pdf: RawPdf
) -> None:
    nest = b"[" * 100_000 + b"]" * 100_000
    path = raw_pdf(CATALOGUE, tree(), page(extra=b"/Nest " + nest), stream(b"0 0 9 9 re f"))
    ends = ("", "page_damaged", "damaged_file")
    assert code(lambda: sandbox.page(path, 1)) in ends


def test_a_pdf_without_pages_has_no_pages(sandbox: Sandbox, raw_pdf: RawPdf) -> None:
    with pytest.raises(NoPages):
        sandbox.split(raw_pdf(CATALOGUE, b"<</Type/Pages/Count 0/Kids[]>>"))


def test_an_encrypted_pdf_inside_an_encrypted_pdf_is_not_opened(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The attachment stays what it is; the document itself asks for its password."""
    inner, outer = tmp_path / "inner.pdf", tmp_path / "outer.pdf"
    for path, attached in ((inner, None), (outer, inner)):
        with pymupdf.open() as document:
            document.new_page().insert_text((72, 72), path.name)
            if attached:
                document.embfile_add("inner.pdf", attached.read_bytes())
            document.save(
                path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own"
            )
    with pytest.raises(PasswordNeeded):
        sandbox.split(outer)
    assert sandbox.split(outer, ("wrong", "open")).page_count == 1
    assert sandbox.page(outer, 1, passwords=("open",)).lines[0].text == "outer.pdf"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"%PDF",
        b"%PDF-1.7\n" + b"\xff" * 5000,
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"II*\0\xff\xff\xff\xff",
        b"GIF89a\xff\xff\xff\xff",
        b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 30,
        b"BM" + b"\xff" * 12 + b"\x28\0\0\0" + b"\x7f" * 40,
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\xff" * 50,
        b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + b"\xff" * 50,
        b"\0\0\0\x0cjP  \r\n\x87\n" + b"\xff" * 50,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_a_head_without_a_body_is_refused(sandbox: Sandbox, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.pdf"
    path.write_bytes(content)
    with pytest.raises(DocumentRefused):
        sandbox.split(path)


def test_random_bytes_are_of_no_type(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(random.Random(7).randbytes(100_000))
    with pytest.raises(UnsupportedType):
        sandbox.split(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_pdf_is_repaired_or_refused(
    sandbox: Sandbox, letter: Path, tmp_path: Path, share: float
) -> None:
    whole = letter.read_bytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(whole[: int(share * len(whole))])
    try:
        facts = sandbox.split(path)
    except DamagedFile:
        return
    assert facts.repaired
    assert facts.page_count == 1


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "bmp", "gif", "webp"])
def test_a_truncated_image_is_refused(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    noise = Image.frombytes("L", (300, 300), random.Random(1).randbytes(90_000))
    whole = io.BytesIO()
    noise.save(whole, kind)
    path = tmp_path / "cut"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(DamagedFile):
        sandbox.split(path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One small good file of each type."""
    files = {}
    picture = Image.effect_noise((40, 30), 60).convert("RGB")
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "JPEG2000"):
        file = io.BytesIO()
        picture.save(file, kind)
        files[kind] = file.getvalue()
    with pymupdf.open() as document:
        document.new_page(width=200, height=100).insert_text((20, 50), "a sample")
        files["PDF"] = document.tobytes(deflate=False)
    return files


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_flipped_bytes_never_harm_the_sandbox(
    sandbox: Sandbox, samples: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(samples)))
    content = bytearray(samples[kind])
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=30)):
        content[place] = value
    path = tmp_path / "flipped"
    path.write_bytes(content)
    ended = code(lambda: [sandbox.page(path, 1) for _ in sandbox.split(path).pages])
    assert ended not in ("sandbox_unavailable", "time_limit", "sandbox_crashed")
