"""Makes a PDF an archival one, PDF/A-2b (ISO 19005-2), or says what stands in the way.

Only what nobody sees is changed: metadata, flags of notes, the packing of streams, defaults that
are written out. What would change the looks of a page (a font that is not there, colours that
depend on the printer) or loses something (attachments, scripts) is an obstacle. Not everything the
standard asks for is looked at: the inside of fonts and profiles is taken on trust.

Runs inside the sandbox child only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from ingest.content_stream import operators
from ingest.errors import NotArchivable
from ingest.pdf import pymupdf
from storage.exports import archive

mupdf = pymupdf.mupdf
_LARGEST = 256 * 1024**2
"""Bytes of a file that is held in memory to be written anew."""
_MOST_NAMED = 5
_CMYK = "colours made for a printer (CMYK)"
_OBSTACLES = {
    "scripts": re.compile(r"/S ?/JavaScript"),
    "actions that start other programs": re.compile(r"/S ?/(?:Launch|ImportData|GoTo3DView)\b"),
    "sound, film or three dimensions": re.compile(
        r"/S ?/(?:Sound|Movie|Rendition)\b|/Subtype ?/(?:Sound|Movie|Screen|3D|RichMedia)\b"
    ),
    "attachments": re.compile(r"/EmbeddedFiles?\b|/Subtype ?/FileAttachment"),
    "an XFA form": re.compile(r"/XFA\b"),
    "layers": re.compile(r"/OCProperties\b"),
    "transfer functions": re.compile(r"/TR ?(?!2)[/\[\d]"),
    "PostScript": re.compile(r"/Subtype ?/PS\b"),
    "actions of its own accord": re.compile(r"/AA ?(?:<<|\d)"),
    _CMYK: re.compile(r"/DeviceCMYK\b"),
}
_NEEDS_NO_LOOK = ("Link", "Popup")
_HIDDEN = 1 | 2 | 32 | 256
"""Flags of a note: invisible, hidden, not shown, not always shown."""
_PRINTED = 4
_CMYK_OPERATORS = {b"k", b"K"}


def archival_copy(document: Any) -> Any:
    """The document in memory, without encryption and without objects that nothing refers to.

    Raises NotArchivable.
    """
    copy = pymupdf.open(
        stream=document.tobytes(garbage=1, encryption=pymupdf.PDF_ENCRYPT_NONE), filetype="pdf"
    )
    found = list(dict.fromkeys(_obstacles(copy)))
    if found:
        more = len(found) - _MOST_NAMED
        named = ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise NotArchivable(named)
    _mend(copy)
    return copy


def check_size(size: int) -> None:
    """Raise NotArchivable if a file of so many bytes cannot be held in memory."""
    if size > _LARGEST:
        raise NotArchivable(f"{size:,} bytes, at most {_LARGEST:,}")


def claim(document: Any) -> None:
    """Say in the document that it is PDF/A-2b, and that its RGB is sRGB."""
    catalog = document.pdf_catalog()
    if document.xref_get_key(catalog, "OutputIntents")[0] == "null":
        profile = _new(document, "<</N 3>>", archive.srgb())
        intent = _new(document, f"<<{archive.intent_dictionary(profile)}>>")
        document.xref_set_key(catalog, "OutputIntents", f"[{intent} 0 R]")
    title = (document.metadata or {}).get("title") or ""
    metadata = _new(document, "<</Type/Metadata/Subtype/XML>>")
    document.update_stream(metadata, archive.xmp(title), compress=False)
    document.xref_set_key(catalog, "Metadata", f"{metadata} 0 R")
    if document.xref_get_key(-1, "ID")[0] == "null":
        name = hashlib.sha256(document.xref_object(catalog).encode()).hexdigest()[:32]
        document.xref_set_key(-1, "ID", f"[<{name}><{name}>]")


def _new(document: Any, dictionary: str, stream: bytes | None = None) -> int:
    xref: int = document.get_new_xref()
    document.update_object(xref, dictionary)
    if stream is not None:
        document.update_stream(xref, stream)
    return xref


def _obstacles(document: Any) -> Iterator[str]:
    if not (document.metadata or {}).get("format", "").startswith("PDF 1."):
        yield "its version"
    for xref in range(1, document.xref_length()):
        text = document.xref_object(xref, compressed=True)
        yield from (name for name, pattern in _OBSTACLES.items() if pattern.search(text))
    if _intent_channels(document) not in (None, 3):
        yield "an output intent other than RGB"
    for page in document:
        yield from _font_obstacles(document, page)
        yield from _colour_obstacles(document, page)
        yield from _note_obstacles(document, page)


def _font_obstacles(document: Any, page: Any) -> Iterator[str]:
    """Fonts that are not in the file, and that a page really uses."""
    missing = {
        name: base
        for _, ending, kind, base, name, *_ in document.get_page_fonts(page.number, full=True)
        if ending == "n/a" and kind != "Type3"
    }
    if not missing:
        return
    for operator in _operators(document, page):
        name = operator.operands[0][1:].decode("latin-1") if operator.operands else ""
        if operator.name == b"Tf" and name in missing:
            yield f"the font {missing[name]}, which is not in the file"


def _colour_obstacles(document: Any, page: Any) -> Iterator[str]:
    if any(operator.name in _CMYK_OPERATORS for operator in _operators(document, page)):
        yield _CMYK


def _operators(document: Any, page: Any) -> Iterator[Any]:
    """Yield the operators of a page and of the forms it shows."""
    yield from operators(page.read_contents())
    for xref, *_ in document.get_page_xobjects(page.number):
        yield from operators(document.xref_stream(xref) or b"")


def _intent_channels(document: Any) -> int | None:
    """Of the profile of the first output intent there is."""
    catalog = document.pdf_catalog()
    kind, value = document.xref_get_key(catalog, "OutputIntents")
    reference = re.match(r"\[\s*(\d+) 0 R", value) if kind == "array" else None
    if reference is None:
        return None
    channels = document.xref_get_key(int(reference[1]), "DestOutputProfile/N")
    return int(channels[1]) if channels[0] == "int" else 0


def _notes(document: Any, page: Any) -> Iterator[tuple[int, str]]:
    """Yield the object and the kind of each note (annotation) of a page."""
    for xref, _, _ in page.annot_xrefs():
        yield xref, document.xref_get_key(xref, "Subtype")[1].lstrip("/")


def _note_obstacles(document: Any, page: Any) -> Iterator[str]:
    for xref, kind in _notes(document, page):
        looks = document.xref_get_key(xref, "AP/N")[0] != "null"
        if not looks and kind not in _NEEDS_NO_LOOK:
            yield "notes or form fields without a look of their own"
        if kind == "Widget" and document.xref_get_key(xref, "A")[0] != "null":
            yield "form fields with actions"


def _mend(document: Any) -> None:
    """Write out and pack anew what the standard wants so, and nobody sees."""
    for page in document:
        for xref, _ in _notes(document, page):
            _mend_note(document, xref)
    catalog = document.pdf_catalog()
    if document.xref_get_key(catalog, "AcroForm/NeedAppearances")[0] != "null":
        document.xref_set_key(catalog, "AcroForm/NeedAppearances", "false")
    for xref in range(1, document.xref_length()):
        text = document.xref_object(xref, compressed=True)
        if "/LZWDecode" in text:
            _repack(document, xref)
        if "/Interpolate true" in text:
            document.xref_set_key(xref, "Interpolate", "false")
        if "/CIDFontType2" in text and "/CIDToGIDMap" not in text:
            document.xref_set_key(xref, "CIDToGIDMap", "/Identity")


def _mend_note(document: Any, xref: int) -> None:
    kind, value = document.xref_get_key(xref, "F")
    flags = int(value) if kind == "int" else 0
    document.xref_set_key(xref, "F", str((flags | _PRINTED) & ~_HIDDEN))
    looks = mupdf.pdf_dict_gets(
        mupdf.pdf_load_object(pymupdf._as_pdf_document(document), xref), "AP"
    )
    for look in ("D", "R") if mupdf.pdf_is_dict(looks) else ():  # pressed, under the pointer
        mupdf.pdf_dict_dels(looks, look)


def _repack(document: Any, xref: int) -> None:
    stream = document.xref_stream(xref)
    if stream is not None:
        document.xref_set_key(xref, "DecodeParms", "null")
        document.update_stream(xref, stream)
