from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_core.charset import Charset
from ocr_core.training.errors import EmptyTrainingSet
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_sets import LineForm, choose_charset, labelled_lines
from ocr_core.training.line_store import LineStore, as_float, cut_lines
from ocr_core.training.skips import Skips

FORM = LineForm(height=16, widest=200, steps=lambda width: width // 4)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A white page with a black band, 20 pixels high, from (30, 50) to (130, 70)."""
    pixels = np.full((120, 160, 3), 255, np.uint8)
    pixels[50:70, 30:130] = 0
    path = tmp_path / "page.png"
    Image.fromarray(pixels).save(path)
    return path


def band(page: Path, text: str, x0: float = 30, x1: float = 130) -> LineLabel:
    return LineLabel(page, text, ((x0, 50), (x1, 50), (x1, 70), (x0, 70)))


def test_a_line_is_cut_as_the_reader_cuts_it(page: Path) -> None:
    store, kept = cut_lines([band(page, "a")], 48, 3200, Skips())
    assert kept == [0]
    # 100 × 20 pixels and a tenth of the height above and below: 24 rows become 48
    assert store[0].shape == (48, 200, 3)
    assert (store[0][8:40, 4:-4] < 5).all()
    assert (store[0][:3] > 250).all()


def test_lines_that_are_too_small_or_too_wide_are_counted(page: Path) -> None:
    skips = Skips()
    flat = LineLabel(page, "flat", ((30, 50), (130, 50), (130, 52), (30, 52)))
    _, kept = cut_lines([flat, band(page, "wide"), band(page, "good", 30, 60)], 48, 100, skips)
    assert kept == [2]
    assert skips.counts == {"too_small": 1, "too_wide": 1}


def test_crops_of_different_widths_keep_their_pixels() -> None:
    crops = [np.full((8, width, 3), width, np.uint8) for width in (5, 9, 2)]
    store = LineStore(8, crops)
    assert [store[n].shape[1] for n in range(3)] == [5, 9, 2]
    assert all((store[n] == crops[n]).all() for n in range(3))
    part = store.only(np.array([2, 0]))
    assert [part[n].shape[1] for n in range(len(part))] == [2, 5]
    assert (part[0] == 2).all()


def test_a_store_without_lines_has_none() -> None:
    assert len(LineStore(8, [])) == 0


def test_a_batch_is_what_the_reader_gives_the_network() -> None:
    line = np.zeros((8, 4, 3), np.uint8)
    line[..., 0] = 255  # red
    batch = as_float([line], 6)
    assert batch.shape == (1, 3, 8, 6)
    assert batch[0, :, 0, 0].tolist() == [-1, -1, 1]  # blue, green, red
    assert (batch[..., 4:] == 0).all()


def test_the_charset_of_labels_ends_in_the_space(page: Path) -> None:
    labels = [band(page, "b a"), band(page, "c")]
    assert choose_charset("data", labels, None).characters == ("a", "b", "c", " ")
    assert choose_charset("both", labels, ("x", "a", " ")).characters == ("x", "a", "b", "c", " ")
    assert choose_charset("parent", labels, ("x", " ")).characters == ("x", " ")


def test_what_cannot_be_learned_is_counted_with_its_reason(page: Path) -> None:
    skips = Skips()
    labels = [
        band(page, "aa"),
        band(page, "añ"),
        band(page, "a" * 60),
        band(page, ""),
        band(page, "a" * 9, 30, 60),  # 9 characters need 17 frames: 8 blanks lie between them
    ]
    lines = labelled_lines(labels, Charset("a "), FORM, skips)
    assert lines.texts == ((1, 1),)
    assert skips.counts == {"unknown_characters": 1, "too_long": 2, "empty_text": 1}
    assert "'ñ'" in skips.examples["unknown_characters"][0]


def test_a_set_in_which_nothing_is_left_says_why(page: Path) -> None:
    with pytest.raises(EmptyTrainingSet, match="1 skipped, unknown_characters"):
        labelled_lines([band(page, "z")], Charset("a "), FORM, Skips())
