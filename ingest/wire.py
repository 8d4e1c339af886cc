"""What crosses between a process and its sandbox child, and the checks on what comes back.

The child parses foreign bytes, so nothing it says is trusted: an answer is a fixed struct on a
socket, then JSON and pixels in a shared memory the parent made, whose sizes are compared with the
limits before anything is read. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ingest.content import DocumentFacts, PageContent, PageFacts, Pixels, Verdict
from ingest.errors import IngestError, SandboxCrashed
from ingest.media import Limits
from ocr_core.page import Box, Quad, Rotation, TextLine, Word

ANSWER = struct.Struct("!4sBQQ")
"""Magic, whether it is an error, bytes of JSON, bytes of pixels (which follow the JSON)."""
MAGIC = b"PGM1"
_MAX_SIDE = 1_000_000
_FAR = 1e9
_ROTATIONS: tuple[Rotation, ...] = get_args(Rotation)
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child said: the fields of a value or of an error, and the pixels of an image."""

    failed: bool
    fields: Fields
    pixels: int
    """Bytes of pixels, from `offset` in the shared memory."""
    offset: int


def put_answer(memory: int, fields: Fields, image: Pixels | None, *, failed: bool = False) -> bytes:
    """Write an answer to the shared memory; returns the struct that announces it."""
    body = json.dumps(fields).encode()
    os.pwrite(memory, body, 0)
    size = 0
    if image is not None:
        size = _write(memory, np.ascontiguousarray(image).data.cast("B"), len(body))
    return ANSWER.pack(MAGIC, failed, len(body), size)


def _write(memory: int, data: memoryview, offset: int) -> int:
    done = 0
    while done < len(data):  # one call writes at most 2 GiB
        done += os.pwrite(memory, data[done:], offset + done)
    return done


def get_answer(announcement: bytes, memory: int, limits: Limits) -> Answer:
    """Read an answer; raises SandboxCrashed if it is not well formed or too large."""
    try:
        magic, failed, length, pixels = ANSWER.unpack(announcement)
    except struct.error:
        raise SandboxCrashed("its answer has the wrong size") from None
    if magic != MAGIC or length > limits.max_text_bytes or pixels > 3 * limits.max_pixels:
        raise SandboxCrashed("its answer is not within the limits")
    try:
        fields = json.loads(os.pread(memory, length, 0))
    except (ValueError, RecursionError):
        raise SandboxCrashed("its answer is not JSON") from None
    if not isinstance(fields, dict):
        raise SandboxCrashed("its answer is not an object")
    return Answer(bool(failed), fields, pixels, length)


def checked_facts(answer: Answer, limits: Limits) -> DocumentFacts:
    """The facts in an answer; raises SandboxCrashed if they contradict themselves."""
    with _Checking():
        fields = answer.fields
        pages = tuple(_page_facts(number, page) for number, page in enumerate(fields["pages"], 1))
        if not 1 <= len(pages) <= limits.max_pages:
            raise ValueError(f"{len(pages)} pages")
        return DocumentFacts(
            media_type=clean(fields["media_type"]),
            page_count=len(pages),
            pages=pages,
            encrypted=bool(fields["encrypted"]),
            repaired=bool(fields["repaired"]),
            title=None if fields["title"] is None else clean(fields["title"]),
        )


def checked_page(answer: Answer, memory: int, page_no: int) -> PageContent:
    """The page in an answer; raises SandboxCrashed if it contradicts itself."""
    with _Checking():
        fields = answer.fields
        width, height = _side(fields["width"]), _side(fields["height"])
        seen = _pixels(answer, memory, width, height) if fields["image"] else None
        digest = None if seen is None else hashlib.sha256(seen.data).hexdigest()
        return PageContent(
            page_no=page_no,
            width=width,
            height=height,
            dpi=_positive(fields["dpi"]),
            verdict=_verdict(fields["verdict"]),
            pixels=seen,
            lines=tuple(line_of(line) for line in fields["lines"]),
            areas=tuple(_box(area) for area in fields["areas"]),
            image_sha256=digest,
        )


def facts_fields(facts: DocumentFacts) -> Fields:
    """Facts as JSON fields: a page is width, height, rotation."""
    return {
        "media_type": facts.media_type,
        "pages": [[page.width, page.height, page.rotation] for page in facts.pages],
        "encrypted": facts.encrypted,
        "repaired": facts.repaired,
        "title": facts.title,
    }


def page_fields(page: PageContent) -> Fields:
    """A page as JSON fields, without its pixels."""
    return {
        "width": page.width,
        "height": page.height,
        "dpi": page.dpi,
        "verdict": page.verdict,
        "image": page.pixels is not None,
        "areas": page.areas,
        "lines": [line_fields(line) for line in page.lines],
    }


def line_fields(line: TextLine) -> list[Any]:
    """A line as JSON fields: text, corners, block, words; without confidence."""
    words = [[word.text, _flat(word.quad)] for word in line.words]
    return [line.text, _flat(line.quad), line.block_no, words]


def raise_if_failed(answer: Answer) -> None:
    """Raise the error an answer holds, if it holds one."""
    if answer.failed:
        raise IngestError.from_dict(
            {key: clean(str(answer.fields.get(key, ""))) for key in ("code", "detail")}
        )


def clean(text: object) -> str:
    """Text that every database takes: no NUL, no lone surrogates; raises TypeError if not text."""
    if not isinstance(text, str):
        raise TypeError(f"expected text, got {type(text).__name__}")
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class _Checking:
    """Turns every complaint about an answer's fields into SandboxCrashed."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if isinstance(error, (KeyError, TypeError, ValueError, IndexError, OverflowError)):
            raise SandboxCrashed(f"its answer is not sound: {error!r}"[:200]) from None


def _pixels(answer: Answer, memory: int, width: int, height: int) -> Pixels:
    size = answer.pixels
    if size not in (width * height, width * height * 3):
        raise ValueError(f"{size} bytes for {width} x {height} pixels")
    image = np.empty((height, width, 3) if size > width * height else (height, width), np.uint8)
    view, done = image.data.cast("B"), 0
    while done < size:
        got = os.preadv(memory, [view[done:]], answer.offset + done)
        if got == 0:
            raise ValueError("the pixels end early")
        done += got
    return image


def _page_facts(number: int, page: Sequence[Any]) -> PageFacts:
    width, height, rotation = page
    if rotation not in _ROTATIONS:
        raise ValueError(f"rotation {rotation}")
    return PageFacts(number, _finite(width), _finite(height), rotation)


def line_of(fields: Sequence[Any]) -> TextLine:
    """The line in JSON fields, of a true text layer; raises TypeError and ValueError."""
    text, quad, block, words = fields
    parts = tuple(Word(clean(word), _quad(corners), 1.0) for word, corners in words)
    return TextLine(clean(text), _quad(quad), 1.0, parts, "text_layer", int(block))


def _flat(quad: Quad) -> list[float]:
    return [round(value, 2) for point in quad for value in point]


def _quad(values: Sequence[Any]) -> Quad:
    x = [_finite(value) for value in values]
    a, b, c, d, e, f, g, h = x
    return (a, b), (c, d), (e, f), (g, h)


def _box(values: Sequence[Any]) -> Box:
    x0, y0, x1, y1 = (_finite(value) for value in values)
    return x0, y0, x1, y1


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or abs(number) > _FAR:
        raise ValueError(f"coordinate {number}")
    return number


def _positive(value: Any) -> float:
    number = _finite(value)
    if number <= 0:
        raise ValueError(f"resolution {number}")
    return number


def _side(value: Any) -> int:
    number = int(value)
    if not 1 <= number <= _MAX_SIDE:
        raise ValueError(f"side of {number} pixels")
    return number


def _verdict(value: Any) -> Verdict:
    for verdict in _VERDICTS:
        if verdict == value:
            return verdict
    raise ValueError(f"verdict {value}")
