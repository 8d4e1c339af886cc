"""PAGE XML (PRImA): a file for each image, with the text lines of the page.

    <PcGts><Page imageFilename="x.jpg"><TextRegion><TextLine>
        <Coords points="x,y x,y …"/><TextEquiv><Unicode>text</Unicode></TextEquiv>

Every version is read; files are foreign bytes, so entities and external references are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException

from ocr_core.geometry import FloatArray
from ocr_core.training.labelled import PageLabel, Region
from ocr_core.training.readers.text_lines import is_image
from ocr_core.training.skips import Skips

_LARGEST = 64 * 2**20
"""Bytes of an XML file; a page of ten thousand lines has a tenth of it."""


def pages(path: Path, skips: Skips) -> Iterator[PageLabel]:
    """The pages of a file or of a folder and those below it, unchecked.

    Files that are damaged, hostile or of another kind are counted.
    """
    for file in [path] if path.is_file() else sorted(path.rglob("*.xml")):
        try:
            page = _page_element(file)
        except (ParseError, DefusedXmlException, ValueError, OSError) as error:
            skips.add("bad_record", f"{file}: {type(error).__name__}: {str(error)[:100]}")
        else:
            yield PageLabel(_image(file, page), tuple(map(_region, _all(page, "TextLine"))))


def _page_element(file: Path) -> Element:
    if file.stat().st_size > _LARGEST:
        raise ValueError(f"more than {_LARGEST >> 20} MiB")
    root: Element = defusedxml.ElementTree.parse(file).getroot()
    page = next(_all(root, "Page"), None)
    if page is None:
        raise ValueError("there is no Page element")
    return page


def _image(file: Path, page: Element) -> Path:
    """The image a page names, or the one with the name of the XML file."""
    named = file.parent / page.get("imageFilename", "")
    beside = sorted(f for f in file.parent.glob("*") if f.stem == file.stem and is_image(f))
    return named if named.is_file() or not beside else beside[0]


def _region(line: Element) -> Region:
    return Region(_polygon(next(_children(line, "Coords"), None)), _text(line))


def _polygon(coords: Element | None) -> FloatArray:
    """(k, 2); an empty one, which is counted later, if there are no points."""
    if coords is None:
        return np.empty((0, 2), np.float32)
    pairs = [point.split(",") for point in coords.get("points", "").split()]
    pairs = pairs or [[p.get("x", ""), p.get("y", "")] for p in _children(coords, "Point")]
    try:
        return np.array(pairs, np.float32).reshape(-1, 2)
    except ValueError:
        return np.empty((0, 2), np.float32)


def _text(line: Element) -> str:
    """The text of the line itself, not of its words; the first of several readings."""
    readings = sorted(_children(line, "TextEquiv"), key=_index)
    texts = (unicode.text for reading in readings for unicode in _children(reading, "Unicode"))
    return next(texts, None) or ""


def _index(reading: Element) -> int:
    index = reading.get("index", "0")
    return int(index) if index.isascii() and index.isdigit() else 0


def _all(element: Element, name: str) -> Iterator[Element]:
    """Elements below, whatever the version of their namespace."""
    return (found for found in element.iter() if _is(found, name))


def _children(element: Element, name: str) -> Iterator[Element]:
    return (found for found in element if _is(found, name))


def _is(element: Element, name: str) -> bool:
    tag = element.tag
    return isinstance(tag, str) and tag.rpartition("}")[2] == name
