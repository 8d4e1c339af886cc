"""The life of a sandbox child: open one document, answer requests about it, end."""

from __future__ import annotations

import gc
import json
import re
import resource
import select
import socket
import traceback
from pathlib import Path
from typing import Any

import cv2

from ingest import confine, pdf, plausible, raster, render, wire
from ingest.errors import (
    DamagedFile,
    IngestError,
    InstallationBroken,
    InternalError,
    OutOfMemory,
    PageDamaged,
)
from ingest.export_desk import ExportDesk
from ingest.media import Limits
from ingest.split import Document, media_type_of, open_document
from ingest.zygote import Birth

IDLE_SECONDS = 30.0
"""A child that is asked nothing for so long gives its memory back."""
_MAX_REQUEST = 4096
_NEED_A_THREAD = {"image/heic"}  # libde265 cannot do without one
_ROOT = Path(__file__).resolve().parent.parent
_OUR_PACKAGES = ("ingest", "ocr_core", "storage")
_BROKEN = (NameError, ImportError)
"""No content of a file makes these of code that is whole."""
_MISTAKES = (AttributeError, TypeError, AssertionError, NotImplementedError)
"""What is most likely a mistake of ours, though an odd file may have brought it to light."""
_OUT_OF_MEMORY = re.compile(r"alloc.*failed|out of memory|bad_alloc", re.IGNORECASE)


def preload() -> None:
    """Import the parsers and bring them into single-threaded order, before any child is born."""
    cv2.setNumThreads(0)
    pdf.preload()
    raster.preload()
    plausible.preload()


def serve(birth: Birth, talk: socket.socket, memory: int) -> None:
    """Answer requests until nobody asks any more, or memory has run out."""
    gc.disable()  # a short life with many small values: collecting would take a third of it
    document: Document | None = None
    desk = ExportDesk()
    while (request := _next(talk)) is not None:
        confine.allow_cpu_until(_cpu_used() + _cpu_allowed(birth, request))
        refusal: IngestError | None = None
        try:
            document = document or _opened(birth)
            if "export" in request:
                announcement = desk.answer(document, request, memory)
            else:
                announcement = _answer(document, request, memory, birth.limits)
        except Exception as error:  # the border: whatever a parser raises becomes an answer
            refusal = _explain(error, page="page_no" in request and document is not None)
            announcement = wire.put_answer(memory, refusal.to_dict(), None, failed=True)
        talk.send(announcement)
        if isinstance(refusal, OutOfMemory):  # nobody knows what it left behind
            return


def _opened(birth: Birth) -> Document:
    """Open the document; from here on no process and no thread can be started."""
    path = Path(birth.path)
    if media_type_of(path) not in _NEED_A_THREAD:
        confine.forbid_processes()
    return open_document(path, birth.passwords, birth.limits)


def _next(talk: socket.socket) -> dict[str, Any] | None:
    poll = select.poll()
    poll.register(talk, select.POLLIN)
    if not poll.poll(IDLE_SECONDS * 1000):
        return None
    text = talk.recv(_MAX_REQUEST)
    request: dict[str, Any] | None = json.loads(text) if text else None
    return request


def _answer(document: Document, request: dict[str, Any], memory: int, limits: Limits) -> bytes:
    if "page_no" not in request:
        return wire.put_answer(memory, wire.facts_fields(document.facts()), None)
    page = render.page_of(document, **request, limits=limits)
    return wire.put_answer(memory, wire.page_fields(page), page.pixels)


def _cpu_used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _cpu_allowed(birth: Birth, request: dict[str, Any]) -> float:
    """Any request may be the one that opens the document."""
    a_page = birth.limits.cpu_seconds_a_page if "page_no" in request else 0.0
    return birth.limits.cpu_seconds + a_page


def _explain(error: Exception, *, page: bool) -> IngestError:
    """Name the refusal that an exception of a parser stands for, or say that it is a fault of ours.

    Parsers raise almost anything for bytes they cannot take. It is no document's fault what such
    classes of errors say of our own code.
    """
    if isinstance(error, IngestError):
        return error
    detail = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(detail):
        return OutOfMemory()
    if isinstance(error, (*_BROKEN, *_MISTAKES)) and (place := _place_in_ours(error)):
        kind = InstallationBroken if isinstance(error, _BROKEN) else InternalError
        return kind(f"{detail}, {place}")
    return PageDamaged(detail) if page else DamagedFile(detail)


def _place_in_ours(error: Exception) -> str | None:
    """File and line at which our own code raised an error; None if it was somebody else's."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(frame.filename)
    ours = any(path.is_relative_to(_ROOT / package) for package in _OUR_PACKAGES)
    return f"{path.relative_to(_ROOT)}:{frame.lineno}" if ours else None
