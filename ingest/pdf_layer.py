"""Lays the text of read pages unseen over a PDF. Runs inside the sandbox child only.

What is written is an increment (ISO 32000-1, 7.5.6): the bytes of the original come first,
untouched, and every object in them still says what it said. Only a file that is damaged, or begins
with other bytes than a PDF does, is written anew as a whole.

A page of which our text replaces what was there keeps none of its old unseen text, as an earlier
OCR leaves it; old text that is seen (and was found to be garbled) stays as paint and is declared to
have no characters (ActualText, 14.9.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from ingest.archival import archival_copy, check_size, claim
from ingest.content_stream import hides_text, without_unseen
from ingest.errors import CertifiedPdf, PageDamaged
from ingest.pdf import PdfFile, pymupdf
from ocr_core.page import Rotation, TextLine
from storage.exports.affine import Affine, inverse, scaling, size_before, then, turned_back
from storage.exports.glyphless import NAME, OBJECTS, Codes, font_objects
from storage.exports.unseen import operators

mupdf = pymupdf.mupdf
Signature = Literal["none", "signed", "certified"]
_FONT = "PagemillText"
_LOOK_DPI = 48
"""Resolution at which a page is compared before and after its unseen text was taken out."""
_LONGEST_CONTENT = 32 * 1024**2
_HUSH = b"/Span<</ActualText<FEFF>>>BDC\n"
_HUSH_ENDS = b"\nEMC\n"
_POINTS_AN_INCH = 72.0


class LayeredPdf:
    """A PDF that is given its text, page by page; raises CertifiedPdf if that is forbidden.

    `archival` has it written anew as PDF/A-2b; raises NotArchivable if it cannot be.
    """

    def __init__(self, file: PdfFile, *, archival: bool = False) -> None:
        self.signature: Signature = _signature(file.document)
        if self.signature == "certified":
            raise CertifiedPdf
        self.anew = archival or _must_be_anew(file.document)
        """Whether the whole file is written, not an increment."""
        self._archival = archival
        if archival:
            check_size(Path(file.document.name).stat().st_size)
            file.document = archival_copy(file.document)
        self._file = file
        self._document = file.document
        self._pdf = pymupdf._as_pdf_document(file.document)
        self._codes = Codes()
        self._font = [self._document.get_new_xref() for _ in range(OBJECTS)]
        self._hush: tuple[int, int] | None = None
        self._changed = False

    def add(
        self,
        page_no: int,
        lines: Iterable[TextLine],
        size: tuple[float, float],
        dpi: float,
        rotation: Rotation,
        *,
        replace: bool,
    ) -> None:
        """Lay lines, in pixels of a page image of this size, over a page.

        `rotation` is what the image was turned by after it was drawn; `replace` says that the
        lines are all text of the page, whatever text there was. Raises PageMissing, PageDamaged.
        """
        page = self._file.page(page_no)
        place = _place(page, size, dpi, rotation)
        name = self._font_name(self._object(page))
        content = operators(lines, place, name, self._codes)
        before = self._without_old(page, page_no) if content or replace else []
        if not content and not before:
            return
        self._name_font(self._object(page), name)
        self._put_first(page, content, before)
        self._changed = True
        if replace and self._shows_text(page_no):
            self._hush_old(page)

    def finish(self) -> bytes | bytearray:
        """The increment, or the whole file anew; empty if there was nothing to add."""
        if not self._changed and not self.anew:
            return b""
        self._write_font()
        if self._archival:
            claim(self._document)
        return self._all() if self.anew else self._increment()

    def _font_name(self, page: Any) -> str:
        """A name under which the page has no other font."""
        fonts = _inherited(page, "Resources").pdf_dict_gets("Font")
        for number in range(1000):
            name = f"{_FONT}{number or ''}"
            known = fonts.pdf_dict_gets(name)
            if not known.m_internal or mupdf.pdf_to_num(known) == self._font[0]:
                return name
        raise PageDamaged("it has too many fonts")

    def _name_font(self, page: Any, name: str) -> None:
        resources = _inherited(page, "Resources")
        if not mupdf.pdf_is_dict(resources):
            resources = self._new_dictionary(page, "Resources")
        fonts = resources.pdf_dict_gets("Font")
        if not mupdf.pdf_is_dict(fonts):
            fonts = self._new_dictionary(resources, "Font")
        if not fonts.pdf_dict_gets(name).m_internal:
            fonts.pdf_dict_puts(name, mupdf.pdf_new_indirect(self._pdf, self._font[0], 0))

    def _new_dictionary(self, owner: Any, key: str) -> Any:
        made = mupdf.pdf_new_dict(self._pdf, 1)
        owner.pdf_dict_puts(key, made)
        return made

    def _put_first(self, page: Any, content: bytes, before: Sequence[int]) -> None:
        """Have the content shown before all else of the page, in the state in which pages begin."""
        streams = [self._stream(content), *(before or page.get_contents())]
        self._set_contents(page, streams)

    def _object(self, page: Any) -> Any:
        return mupdf.pdf_lookup_page_obj(self._pdf, page.number)

    def _set_contents(self, page: Any, streams: Iterable[int]) -> None:
        references = " ".join(f"{xref} 0 R" for xref in streams)
        self._document.xref_set_key(page.xref, "Contents", f"[{references}]")

    def _stream(self, data: bytes) -> int:
        xref: int = self._document.get_new_xref()
        self._document.update_object(xref, "<<>>")
        self._document.update_stream(xref, data)
        return xref

    # What was there

    def _without_old(self, page: Any, page_no: int) -> list[int]:
        """Take old unseen text out; the streams that now are the page's content, if any is new.

        Nothing is changed if the page would then look different.
        """
        with self._undoing() as undo:
            looked = None
            content = page.read_contents()
            streams: list[int] = []
            if len(content) <= _LONGEST_CONTENT and hides_text(content):
                looked = _look(page)
                streams = [self._stream(without_unseen(content))]
            for xref, form in self._forms_that_hide(page):
                looked = _look(page) if looked is None else looked
                undo.append((xref, form))
                self._document.update_stream(xref, without_unseen(form))
            if looked is None:
                return []
            old = page.get_contents()
            self._set_contents(page, streams or old)
            same = _look(self._file.page(page_no)) == looked
            self._set_contents(page, old)
            if not same:
                return []
            undo.clear()
            return streams or list(old)

    @contextmanager
    def _undoing(self) -> Iterator[list[tuple[int, bytes]]]:
        """Give back to streams what they held, unless the list is empty in the end."""
        undo: list[tuple[int, bytes]] = []
        try:
            yield undo
        finally:
            for xref, stream in undo:
                self._document.update_stream(xref, stream)

    def _forms_that_hide(self, page: Any) -> Iterator[tuple[int, bytes]]:
        """Yield the forms a page uses, directly or not, that hold unseen text."""
        for xref, *_ in self._document.get_page_xobjects(page.number):
            form = self._document.xref_stream(xref)
            if form and len(form) <= _LONGEST_CONTENT and hides_text(form):
                yield xref, form

    def _shows_text(self, page_no: int) -> bool:
        """Whether a page has other text than ours."""
        names = [name for _, _, _, name, *_ in self._document.get_page_fonts(page_no - 1)]
        if all(name == NAME for name in names):  # far cheaper than to look at the text
            return False
        spans = self._file.page(page_no).get_texttrace()
        return any(NAME not in span["font"] for span in spans)

    def _hush_old(self, page: Any) -> None:
        """Declare that what the page shows has no characters of its own."""
        if self._hush is None:
            self._hush = self._stream(_HUSH), self._stream(_HUSH_ENDS)
        first, *rest = self._file.page(page.number + 1).get_contents()
        self._set_contents(page, [first, self._hush[0], *rest, self._hush[1]])

    # Writing

    def _write_font(self) -> None:
        written = font_objects(self._font, self._codes)
        for xref, each in zip(self._font, written, strict=True):
            self._document.update_object(xref, f"<<{each.dictionary}>>")
            if each.stream is not None:
                self._document.update_stream(xref, each.stream)

    def _increment(self) -> bytearray:
        options = mupdf.PdfWriteOptions()
        options.do_incremental = 1
        output = _Tail(Path(self._document.name).stat().st_size)
        mupdf.pdf_write_document(self._pdf, output, options)
        output.fz_close_output()
        return output.kept

    def _all(self) -> bytes:
        written: bytes = self._document.tobytes(
            garbage=0, deflate=False, encryption=pymupdf.PDF_ENCRYPT_KEEP
        )
        return written


class _Tail(mupdf.FzOutput2):  # type: ignore[misc, name-defined]
    """Where MuPDF writes an increment: it begins with the original, which is passed over."""

    def __init__(self, passed: int) -> None:
        super().__init__()
        self.use_virtual_write()
        self.use_virtual_tell()
        self.kept = bytearray()
        self._passed = passed
        self._at = 0

    def write(self, _: object, data: object, size: int) -> None:
        """Take the next bytes."""
        before = max(0, min(size, self._passed - self._at))
        if before < size:
            self.kept += mupdf.raw_to_python_bytes(data, size)[before:]
        self._at += size

    def tell(self, _: object) -> int:
        """How many there were."""
        return self._at


def _inherited(page: Any, key: str) -> Any:
    return page.pdf_dict_get_inheritable(pymupdf.PDF_NAME(key))


def _signature(document: Any) -> Signature:
    pdf = pymupdf._as_pdf_document(document)
    catalog = document.pdf_catalog()
    if document.xref_get_key(catalog, "Perms/DocMDP")[0] != "null":
        return "certified"
    fields = mupdf.pdf_dict_getp(mupdf.pdf_trailer(pdf), "Root/AcroForm/Fields")
    return "signed" if _any_signed(fields, depth=8) else "none"


def _any_signed(fields: Any, depth: int) -> bool:
    """Whether any field of a form, or any field below it, holds a signature (12.7.4.5)."""
    for number in range(mupdf.pdf_array_len(fields)):
        field = mupdf.pdf_array_get(fields, number)
        kind = mupdf.pdf_dict_gets(field, "FT")
        if mupdf.pdf_to_name(kind) == "Sig" and mupdf.pdf_dict_gets(field, "V").m_internal:
            return True
        if depth and _any_signed(mupdf.pdf_dict_gets(field, "Kids"), depth - 1):
            return True
    return False


def _must_be_anew(document: Any) -> bool:
    """Whether MuPDF cannot write an increment that the original's bytes come before."""
    with Path(document.name).open("rb") as file:
        begins = file.read(5) == b"%PDF-"
    return not begins or bool(document.is_repaired) or not document.can_save_incrementally()


def _place(page: Any, size: tuple[float, float], dpi: float, rotation: Rotation) -> Affine:
    """From pixels of the upright page image to the user space of the page (ISO 32000-1, 8.3.2)."""
    width, height = size_before(rotation, *size)
    drawn = turned_back(rotation, *size)
    scale = scaling(
        _points_a_pixel(page.rect.width, width, dpi), _points_a_pixel(page.rect.height, height, dpi)
    )
    shown = mupdf.FzMatrix()
    box = mupdf.FzRect(mupdf.FzRect.Fixed_UNIT)
    mupdf.pdf_page_transform(pymupdf._as_pdf_page(page), box, shown)
    to_page = (shown.a, shown.b, shown.c, shown.d, shown.e, shown.f)
    return then(then(drawn, scale), inverse(to_page))


def _points_a_pixel(points: float, pixels: float, dpi: float) -> float:
    """By the resolution, or by the size, where the page was drawn on the pixels of its picture."""
    by_dpi = _POINTS_AN_INCH / dpi
    return by_dpi if abs(points / by_dpi - pixels) <= 1 else points / pixels


def _look(page: Any) -> bytes:
    """The page as it is seen, small and in grey."""
    looked: bytes = page.get_pixmap(dpi=_LOOK_DPI, colorspace=pymupdf.csGRAY, alpha=False).samples
    return looked
