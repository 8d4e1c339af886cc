"""`pagemill ocr`: files read directly, boxes in pixels of the file that was given."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr_core.page import PageResult, Quad, TextLine, Word, quad_of
from workers.direct import in_input
from workers.reading import ReadPage
from workers.trial_page import LINES, draw_pdf

Pagemill = Callable[..., "subprocess.CompletedProcess[str]"]
SCRIPT = Path(sys.executable).with_name("pagemill")
TEXT = "Received 4711 crates"


def _read(result: PageResult) -> ReadPage:
    return ReadPage(
        page_no=1,
        result=result,
        dpi=200,
        verdict="none",
        text_source="ocr",
        image_sha256=None,
        seconds=0.5,
    )


def _quads(line: TextLine) -> tuple[Quad, Quad]:
    return line.quad, line.words[0].quad


def test_boxes_of_a_page_that_was_turned_are_given_as_the_file_has_it() -> None:
    # A sheet 100 wide and 200 high lies on its side: the reader turned it by 90 degrees to
    # 200 x 100. A corner (x, y) of the sheet went to (200 - y, x), so (150, 10) was (10, 50).
    quad = ((150.0, 10.0), (190.0, 10.0), (190.0, 30.0), (150.0, 30.0))
    line = TextLine("A", quad, 0.9, (Word("A", quad, 0.9),))
    page = in_input("x", _read(PageResult(200, 100, (line,), rotation=90)), None)
    assert (page.width, page.height) == (100, 200)
    back = ((10, 50), (10, 10), (30, 10), (30, 50))
    assert _quads(page.lines[0]) == (back, back)


def test_boxes_of_an_image_that_was_read_larger_are_scaled_back() -> None:
    quad = quad_of((40, 20, 80, 60))
    line = TextLine("A", quad, 0.9, (Word("A", quad, 0.9),))
    page = in_input("x", _read(PageResult(400, 200, (line,))), (100.0, 100.0))
    assert (page.width, page.height) == (100, 100)
    # four times as wide, twice as high
    assert _quads(page.lines[0]) == (quad_of((10, 10, 20, 30)), quad_of((10, 10, 20, 30)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ocr")


@pytest.fixture(scope="module")
def pagemill(place: Path) -> Pagemill:
    """The real script in a folder of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SCRIPT, *arguments], cwd=place, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
def sheet(place: Path) -> Path:
    """A sheet of 900 x 300 pixels with one line of text, about 36 pixels high, at (60, 100)."""
    picture = Image.new("RGB", (900, 300), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((60, 100), TEXT, fill="black", font=ImageFont.load_default(48))
    picture.save(place / "sheet.png")
    return place / "sheet.png"


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


def _ink(path: Path) -> tuple[int, int, int, int]:
    """The box around what is dark, as a viewer shows the file."""
    ys, xs = np.nonzero(np.asarray(_opened(path).convert("L")) < 128)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def _box(polygon: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    xs, ys = zip(*polygon, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _near(polygon: Sequence[Sequence[float]], ink: Sequence[int], pixels: float = 25) -> bool:
    return all(abs(a - b) <= pixels for a, b in zip(_box(polygon), ink, strict=True))


def _pages(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_text_goes_to_stdout_and_nothing_else(pagemill: Pagemill, sheet: Path) -> None:
    done = pagemill("ocr", "sheet.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TEXT}\n", "")


def test_jsonl_has_the_path_as_given_and_boxes_around_the_ink(
    pagemill: Pagemill, sheet: Path
) -> None:
    (page,) = _pages(pagemill("ocr", "./sheet.png", "--jsonl").stdout)
    (region,) = page.pop("regions")
    assert page.pop("seconds") > 0
    assert page == {"image": "./sheet.png", "page": 1, "width": 900, "height": 300}
    assert region["text"] == TEXT
    assert 0.8 < region["score"] <= 1
    assert _near(region["polygon"], _ink(sheet))
    assert [word["text"] for word in region["words"]] == TEXT.split()
    assert all(len(word["polygon"]) == 4 for word in region["words"])


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_boxes_of_a_turned_sheet_are_where_its_ink_is(
    pagemill: Pagemill, place: Path, turn: int
) -> None:
    # Three lines, so that the vote on the page's rotation has something to count.
    picture = Image.new("RGB", (900, 300), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(36)
    for number, line in enumerate(LINES):
        draw.text((40, 40 + 80 * number), line, fill="black", font=font)
    path = place / f"turned-{turn}.png"
    picture.rotate(-turn, expand=True).save(path)
    (page,) = _pages(pagemill("ocr", path.name, "--jsonl").stdout)
    assert [region["text"] for region in page["regions"]] == list(LINES)
    assert (page["width"], page["height"]) == _opened(path).size
    boxes = [_box(region["polygon"]) for region in page["regions"]]
    around = (
        *(min(box[side] for box in boxes) for side in (0, 1)),
        *(max(box[side] for box in boxes) for side in (2, 3)),
    )
    assert all(abs(a - b) <= 25 for a, b in zip(around, _ink(path), strict=True))


def test_boxes_of_a_photo_are_those_a_viewer_shows(
    pagemill: Pagemill, sheet: Path, place: Path
) -> None:
    # EXIF 6: the stored pixels have to be turned by 90 degrees clockwise to be seen upright.
    exif = Image.Exif()
    exif[0x0112] = 6
    _opened(sheet).rotate(90, expand=True).save(place / "photo.jpg", exif=exif, quality=95)
    (page,) = _pages(pagemill("ocr", "photo.jpg", "--jsonl").stdout)
    assert (page["width"], page["height"]) == (900, 300)
    assert _near(page["regions"][0]["polygon"], _ink(sheet))


def test_boxes_of_a_small_image_are_in_its_own_pixels(
    pagemill: Pagemill, sheet: Path, place: Path
) -> None:
    _opened(sheet).resize((225, 75), Image.Resampling.LANCZOS).save(place / "small.png")
    (page,) = _pages(pagemill("ocr", "small.png", "--jsonl").stdout)
    assert (page["width"], page["height"]) == (225, 75)
    ink = [edge / 4 for edge in _ink(sheet)]
    assert all(_near(region["polygon"], ink, 8) for region in page["regions"])
    assert page["regions"]


def test_a_bad_file_is_a_line_with_an_error_and_does_not_stop_the_others(
    pagemill: Pagemill, sheet: Path, place: Path
) -> None:
    (place / "bad.png").write_bytes(b"this is no picture")
    done = pagemill("ocr", "bad.png", "sheet.png", "--jsonl")
    bad, good = _pages(done.stdout)
    assert done.returncode == 2
    assert (bad["image"], bad["page"], bad["regions"]) == ("bad.png", 1, [])
    assert bad["error"]["code"] == "unsupported_type"
    assert bad["error"]["message"]
    assert bad["error"]["advice"]
    assert good["regions"][0]["text"] == TEXT
    assert "bad.png page 1: unsupported_type" in done.stderr


def test_nothing_readable_ends_with_4(pagemill: Pagemill, place: Path) -> None:
    (place / "empty.png").write_bytes(b"")
    done = pagemill("ocr", "empty.png")
    assert (done.returncode, done.stdout) == (4, "")
    assert "empty_file" in done.stderr


def test_a_true_text_layer_is_taken_and_mode_redo_reads_the_picture(
    pagemill: Pagemill, place: Path
) -> None:
    (place / "layer.pdf").write_bytes(draw_pdf())
    (taken,) = _pages(pagemill("ocr", "layer.pdf", "--jsonl").stdout)
    (read,) = _pages(pagemill("ocr", "layer.pdf", "--jsonl", "--mode", "redo").stdout)
    assert [region["text"] for region in taken["regions"]] == list(LINES)
    assert [region["text"] for region in read["regions"]] == list(LINES)
    assert {region["score"] for region in taken["regions"]} == {1.0}
    assert (taken["width"], taken["height"]) == (read["width"], read["height"])
    for one, other in zip(taken["regions"], read["regions"], strict=True):
        assert _near(one["polygon"], _box(other["polygon"]))  # type: ignore[arg-type]


def test_several_processes_print_the_same_in_the_same_order(
    pagemill: Pagemill, sheet: Path, place: Path
) -> None:
    files = ["sheet.png", "layer.pdf", "bad.png", "sheet.png"]
    (place / "layer.pdf").write_bytes(draw_pdf())
    (place / "bad.png").write_bytes(b"this is no picture")

    def read(jobs: int) -> list[dict[str, Any]]:
        done = pagemill("ocr", *files, "--jsonl", "-j", str(jobs))
        assert done.returncode == 2
        return [page | {"seconds": 0} for page in _pages(done.stdout)]

    one = read(1)
    assert [page["image"] for page in one] == files
    assert read(2) == one


def test_pages_are_chosen_and_divided_by_form_feeds(pagemill: Pagemill, place: Path) -> None:
    sheets = [Image.new("RGB", (300, 100), "white") for _ in range(3)]
    for number, each in enumerate(sheets, start=1):
        text, font = f"sheet {number}", ImageFont.load_default(40)
        ImageDraw.Draw(each).text((40, 30), text, fill="black", font=font)
    sheets[0].save(place / "three.tif", save_all=True, append_images=sheets[1:])
    assert pagemill("ocr", "three.tif", "--pages", "1,3").stdout == "sheet 1\n\fsheet 3\n"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_reading_processes_end_with_the_command_however_it_ends(
    sheet: Path, place: Path, ending: signal.Signals
) -> None:
    command = [SCRIPT, "ocr", *["sheet.png"] * 200, "--jsonl", "-j", "2"]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["regions"]
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(ending)
        assert process.wait(60) == (130 if ending == signal.SIGINT else -ending)
    assert psutil.wait_procs(children, timeout=60)[1] == []


def test_a_reading_process_that_is_killed_costs_the_file_in_its_hand(
    sheet: Path, place: Path
) -> None:
    count = 24
    command = [SCRIPT, "ocr", *["sheet.png"] * count, "--jsonl", "-j", "2"]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        reading = [
            child
            for child in psutil.Process(process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        reading[0].kill()
        rest = process.stdout.read()
        assert process.wait(120) == 2
    pages = _pages(first + rest)
    assert len(pages) == count
    assert [page["error"]["code"] for page in pages if "error" in page] == ["reader_died"]
