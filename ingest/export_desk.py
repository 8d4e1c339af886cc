"""What a sandbox child does for an export: text over a PDF, or a picture for one.

Requests, each with the field `export`:

    open {archival}          looks at the document: {kind, signature, anew}
    page {page_no, length}   lays text over a page of a PDF; the text is `length` bytes of JSON at
                             the start of the shared memory
    picture {page_no}        makes the picture of a frame ready: its facts and {size}
    finish                   makes the increment, or the file, ready: {size}
    part {offset}            so many bytes of what was made ready, in the place of pixels

Runs inside the sandbox child only.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import numpy as np

from ingest import wire
from ingest.pdf import PdfFile
from ingest.pdf_layer import LayeredPdf
from ingest.split import Document
from storage.exports.scan_pdf import Picture

PART = 8 * 1024**2
"""Bytes that are handed over at once."""


class ExportDesk:
    """What has been done so far for one document."""

    def __init__(self) -> None:
        self._layered: LayeredPdf | None = None
        self._ready: bytes | bytearray = b""

    def answer(self, document: Document, request: dict[str, Any], memory: int) -> bytes:
        """Do what is asked and announce the answer."""
        match request["export"]:
            case "open":
                fields = self._open(document, archival=bool(request["archival"]))
            case "page":
                self._page(request["page_no"], json.loads(os.pread(memory, request["length"], 0)))
                fields = {}
            case "picture":
                fields = self._picture(document, request["page_no"])
            case "finish":
                fields = self._finish()
            case "part":
                offset = request["offset"]
                part = np.frombuffer(self._ready[offset : offset + PART], np.uint8)
                return wire.put_answer(memory, {}, part)
            case other:
                raise ValueError(f"no such request: {other!r}")
        return wire.put_answer(memory, fields, None)

    def _open(self, document: Document, *, archival: bool) -> wire.Fields:
        if not isinstance(document, PdfFile):
            return {"kind": "pictures"}
        self._layered = LayeredPdf(document, archival=archival)
        return {
            "kind": "pdf",
            "signature": self._layered.signature,
            "anew": self._layered.anew,
        }

    def _page(self, page_no: int, text: dict[str, Any]) -> None:
        assert self._layered is not None
        lines = [wire.line_of(fields) for fields in text["lines"]]
        self._layered.add(
            page_no,
            lines,
            (text["width"], text["height"]),
            text["dpi"],
            text["rotation"],
            replace=text["replace"],
        )

    def _picture(self, document: Document, page_no: int) -> wire.Fields:
        from ingest.scan_picture import picture_of

        assert not isinstance(document, PdfFile)
        picture = picture_of(document, page_no)
        self._ready = b"".join(picture.stream.pieces)
        return picture_fields(picture)

    def _finish(self) -> wire.Fields:
        assert self._layered is not None
        self._ready = self._layered.finish()
        return {"size": len(self._ready)}


def picture_fields(picture: Picture) -> wire.Fields:
    """A picture as JSON fields, without its stream."""
    return {
        "size": picture.stream.length,
        "width": picture.width,
        "height": picture.height,
        "colours": picture.colours,
        "bits": picture.bits,
        "filter": picture.filter,
        "parameters": picture.parameters,
        "palette": base64.b64encode(picture.palette).decode(),
        "inverted": picture.inverted,
        "orientation": picture.orientation,
        "dpi": list(picture.dpi),
        "profile": base64.b64encode(picture.profile).decode(),
    }
