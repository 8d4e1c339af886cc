"""What the XML formats share: characters that XML can hold, numbers, names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from xml.sax.saxutils import escape, quoteattr

from ocr_core.page import Box, Quad

# XML 1.0, 2.2: a text layer may hold anything, an XML file may not.
_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def text(value: str) -> str:
    """A text between tags."""
    return escape(_NOT_XML.sub("\ufffd", value))


def attribute(value: str) -> str:
    """A value of an attribute, in its quotes."""
    return quoteattr(_NOT_XML.sub("\ufffd", value))


def attributes(**values: object) -> str:
    """Attributes, each after a blank; those that are None are left out."""
    given = ((name, value) for name, value in values.items() if value is not None)
    return "".join(f" {name}={attribute(_plain(value))}" for name, value in given)


def number(value: float) -> str:
    """A number without needless digits: 12, 12.5."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def file_name(source: str) -> str:
    """The last part of an address."""
    return PurePosixPath(source).name or source


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box around some boxes, of which there is at least one."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def points(quad: Quad) -> str:
    """Corners as `x,y x,y x,y x,y`, exact."""
    return " ".join(f"{number(x)},{number(y)}" for x, y in quad)


def _plain(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
