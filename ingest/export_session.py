"""A conversation with a sandbox child about one export; the parent's side of `export_desk`.

What a child says is checked before it goes into a file: names and numbers are of the few kinds a
PDF needs, and bytes are data in streams.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ingest import wire
from ingest.errors import SandboxCrashed
from ingest.offspring import Offspring
from ingest.sandbox import Sandbox
from ocr_core.page import TextLine
from storage.exports.pdf_file import Stream
from storage.exports.scan_pdf import Colours, Picture

PART = 8 * 1024**2
BYTES_A_SECOND = 4 * 1024**2
"""A child may take so much longer the larger a file is, when it writes it."""
_FILTERS = {"DCTDecode", "JPXDecode", "FlateDecode", "CCITTFaxDecode"}
_PARAMETERS = re.compile(r"(?:/[A-Za-z0-9]+ (?:-?\d+|true|false))*")
_COLOURS: tuple[Colours, ...] = get_args(Colours)
_LONGEST = 4 * 1024**3
Kind = Literal["pdf", "pictures"]
Signature = Literal["none", "signed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """The text to lay over a page."""

    page_no: int
    lines: Sequence[TextLine]
    """In pixels of the upright page image."""
    width: int
    """Of that image."""
    height: int
    dpi: float
    rotation: int
    replace: bool
    """Whether these are all lines of the page, and other text on it is none of it."""


@contextmanager
def export_session(
    sandbox: Sandbox,
    path: Path,
    pages: int,
    *,
    passwords: Sequence[str] = (),
    archival: bool = False,
) -> Iterator[ExportSession]:
    """Open a document of so many pages for an export, in a child of its own.

    `archival` asks for PDF/A-2b; of scans, whoever writes them sees to it. Raises IngestError, as
    all that is asked of the session does.
    """
    limits = sandbox.limits
    slow = path.stat().st_size / BYTES_A_SECOND
    patient = replace(
        limits,
        wall_seconds=limits.wall_seconds + slow,
        cpu_seconds=limits.cpu_seconds + slow + pages * limits.cpu_seconds_a_page / 100,
    )
    child = sandbox.bear(path, passwords, patient, requests=pages + 1)
    try:
        yield ExportSession(child, archival=archival)
    finally:
        child.close()


class ExportSession:
    """A document that is being exported."""

    def __init__(self, child: Offspring, *, archival: bool) -> None:
        self._child = child
        fields = child.ask({"export": "open", "archival": archival}).fields
        self.kind: Kind = "pdf" if fields.get("kind") == "pdf" else "pictures"
        self.signature: Signature = "signed" if fields.get("signature") == "signed" else "none"
        self.anew = bool(fields.get("anew"))
        """Whether `finish` gives a whole file, not what comes behind the original's bytes."""

    def add(self, text: PageText) -> None:
        """Lay text over a page of a PDF."""
        body = json.dumps(_text_fields(text)).encode()
        _write(self._child.memory, body)
        self._child.ask({"export": "page", "page_no": text.page_no, "length": len(body)})

    def picture(self, page_no: int) -> Picture:
        """The picture of a frame of an image file; its stream is to be read before the next."""
        fields = self._child.ask({"export": "picture", "page_no": page_no}).fields
        try:
            return _picture(fields, self._parts(_size(fields)))
        except (KeyError, TypeError, ValueError) as error:
            raise SandboxCrashed(f"its picture is not sound: {error!r}"[:200]) from None

    def finish(self) -> Iterator[bytes]:
        """Yield the increment, or the file, piece by piece; nothing if there is no change."""
        fields = self._child.ask({"export": "finish"}).fields
        return self._parts(_size(fields))

    def _parts(self, size: int) -> Iterator[bytes]:
        done = 0
        while done < size:
            answer = self._child.ask({"export": "part", "offset": done})
            if not 0 < answer.pixels <= min(PART, size - done):
                raise SandboxCrashed("it gives other bytes than it announced")
            yield os.pread(self._child.memory, answer.pixels, answer.offset)
            done += answer.pixels


def _text_fields(text: PageText) -> Mapping[str, Any]:
    return {
        "width": text.width,
        "height": text.height,
        "dpi": text.dpi,
        "rotation": text.rotation,
        "replace": text.replace,
        "lines": [wire.line_fields(line) for line in text.lines],
    }


def _write(memory: int, body: bytes) -> None:
    done = 0
    while done < len(body):
        done += os.pwrite(memory, body[done:], done)


def _size(fields: wire.Fields) -> int:
    size = fields.get("size")
    if not isinstance(size, int) or not 0 <= size <= _LONGEST:
        raise SandboxCrashed(f"it announced {size!r} bytes")
    return size


def _picture(fields: wire.Fields, parts: Iterable[bytes]) -> Picture:
    colours, filter_, parameters = fields["colours"], fields["filter"], fields["parameters"]
    if colours not in _COLOURS or filter_ not in _FILTERS or not _PARAMETERS.fullmatch(parameters):
        raise ValueError(f"{colours!r} {filter_!r} {parameters!r}"[:100])
    width, height, bits = (int(fields[name]) for name in ("width", "height", "bits"))
    orientation = int(fields["orientation"])
    if min(width, height) < 1 or bits not in (1, 2, 4, 8, 16) or orientation not in range(9):
        raise ValueError(f"{width} x {height}, {bits} bits")
    x_dpi, y_dpi = (float(value) for value in fields["dpi"])
    if not (0 < x_dpi < 1e5 and 0 < y_dpi < 1e5):
        raise ValueError(f"{x_dpi} dpi")
    return Picture(
        width=width,
        height=height,
        colours=colours,
        bits=bits,
        filter=filter_,
        parameters=parameters,
        palette=base64.b64decode(fields["palette"]),
        inverted=bool(fields["inverted"]),
        orientation=orientation or 1,
        dpi=(x_dpi, y_dpi),
        profile=base64.b64decode(fields["profile"]),
        stream=Stream(_size(fields), parts),
    )
