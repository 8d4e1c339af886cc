"""Label files of the ICDAR competitions: a text file for each image.

Pages, `gt_img_1.txt` or `img_1.txt` for `img_1.jpg`, in one folder or in folders side by side:
    x1,y1,x2,y2,x3,y3,x4,y4,text        2015, 2019 SROIE; ### for what is illegible
    x1,y1,…,x4,y4,Latin,text            2017 and 2019 MLT: with the script
    left, top, right, bottom, "text"    2013, also divided by spaces
Lines, one file for all images:
    word_1.png, "text"
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ocr_core.geometry import FloatArray
from ocr_core.page import quad_of
from ocr_core.training.labelled import LineLabel, PageLabel, Region
from ocr_core.training.readers.text_lines import ILLEGIBLE, first_line, is_image, numbered_lines
from ocr_core.training.skips import Skips

_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
_QUAD = re.compile(",".join([_NUMBER] * 8) + ",(.*)")
_BOX = re.compile(",".join([_NUMBER] * 4) + r',\s*"(.*)"\s*')
_SPACED_BOX = re.compile(" ".join([_NUMBER] * 4) + r' \s*"(.*)"\s*')
_WORD = re.compile(r'\s*([^",]+\.\w{2,5}),\s*"(.*)"\s*')
_SCRIPTS = frozenset(
    {"Arabic", "Bangla", "Chinese", "Hindi", "Japanese", "Korean", "Latin", "Mixed", "None"}
    | {"Symbols"}
)


def holds_lines(path: Path) -> bool:
    """Whether this is a file that gives the text of whole images."""
    files = [path] if path.is_file() else path.glob("*.txt")
    return any(_WORD.fullmatch(first_line(file)) for file in files)


def lines(path: Path, skips: Skips) -> Iterator[LineLabel]:
    """The lines of a file or a folder, unchecked; lines of another form are counted."""
    for file in [path] if path.is_file() else sorted(path.glob("*.txt")):
        for where, line in numbered_lines(file):
            found = _WORD.fullmatch(line)
            if found is None:
                skips.add("bad_record", f"{where}: {line[:60]!r}")
            else:
                text = found[2].replace('\\"', '"').replace("\\\\", "\\")
                yield LineLabel(file.parent / found[1], text)


def pages(path: Path, skips: Skips) -> Iterator[PageLabel]:
    """The pages of a folder or of one file, unchecked; lines of another form are counted."""
    images = _images_by_stem(path if path.is_dir() else path.parent)
    for file in [path] if path.is_file() else sorted(path.rglob("*.txt")):
        found = [_parsed(where, line, skips) for where, line in numbered_lines(file)]
        regions = _without_scripts([region for region in found if region is not None])
        if regions or not found:  # a file of which no line fits is something else, a read-me
            yield PageLabel(_image_of(file, images), regions)


def _parsed(where: str, line: str, skips: Skips) -> Region | None:
    if found := _QUAD.fullmatch(line):
        polygon = np.array(found.groups()[:8], np.float32).reshape(4, 2)
        return _region(polygon, found[9])
    if found := _BOX.fullmatch(line) or _SPACED_BOX.fullmatch(line):
        left, top, right, bottom = map(float, found.groups()[:4])
        return _region(np.array(quad_of((left, top, right, bottom)), np.float32), found[5])
    skips.add("bad_record", f"{where}: {line[:60]!r}")
    return None


def _region(polygon: FloatArray, text: str) -> Region:
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    bare = text[1:-1] if quoted else text
    return Region(polygon, bare, bare in ILLEGIBLE)


def _without_scripts(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Drop the field that names the script, if every line of the file has one."""
    parts = [region.text.partition(",") for region in regions]
    if not all(comma and script in _SCRIPTS for script, comma, _ in parts):
        return tuple(regions)
    return tuple(
        _region(region.polygon, text) for region, (_, _, text) in zip(regions, parts, strict=True)
    )


def _images_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Images in the folder and below; beside it, too, if it holds none."""
    found: dict[str, list[Path]] = {}
    for root in (folder, folder.parent):
        for file in sorted(root.rglob("*") if root == folder else root.glob("*/*")):
            if is_image(file):
                found.setdefault(file.stem, []).append(file)
        if found:
            return found
    return found


def _image_of(file: Path, images: dict[str, list[Path]]) -> Path:
    """The image of a label file: the nearest one of its name, or one that does not exist."""
    stem = file.stem.removeprefix("gt_")
    candidates = images.get(stem) or [file.with_name(f"{stem}.jpg")]
    return max(candidates, key=lambda image: len(os.path.commonpath([image.parent, file.parent])))
