"""Text laid over PDFs by the sandbox: the original stays, the text comes back where it stands."""

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pikepdf
import pymupdf
import pypdfium2
import pytest

from ingest.content_stream import operators, without_unseen
from ingest.errors import CertifiedPdf, IngestError, PageMissing
from ingest.export_session import PageText, export_session
from ingest.sandbox import Sandbox
from ocr_core.page import TextLine, Word, quad_of

RawPdf = Callable[..., Path]
DPI = 144.0
"""Two pixels a point."""
WORDS = ("Received", "4711", "crates", "增值税", "today")


def page_lines(width: int, height: int, rows: int = 3) -> tuple[TextLine, ...]:
    """Lines that fit on a page image of this size, pixels."""
    size = min(24.0, height / 20, width / 26)
    return tuple(_line(0.1 * width, (0.15 + 0.1 * number) * height, size) for number in range(rows))


def _line(x: float, y: float, size: float) -> TextLine:
    words, left = [], x
    for word in WORDS:
        right = left + 0.6 * size * len(word)
        words.append(Word(word, quad_of((left, y, right, y + size)), 0.9))
        left = right + 0.4 * size
    whole = quad_of((x, y, words[-1].quad[1][0], y + size))
    return TextLine(" ".join(WORDS), whole, 0.9, tuple(words))


def text_of(page: Any, *, replace: bool = True, rotation: int = 0, rows: int = 3) -> PageText:
    """What was read of a pymupdf.Page that was turned by `rotation` after it was drawn."""
    width, height = round(page.rect.width * DPI / 72), round(page.rect.height * DPI / 72)
    if rotation % 180:
        width, height = height, width
    return PageText(
        page_no=page.number + 1,
        lines=page_lines(width, height, rows),
        width=width,
        height=height,
        dpi=DPI,
        rotation=rotation,
        replace=replace,
    )


@pytest.fixture
def layered(sandbox: Sandbox, tmp_path: Path) -> Callable[..., tuple[Path, dict[int, PageText]]]:
    """Lays text over every page of a PDF; gives the new file and the text by page."""

    def lay(
        source: Path, passwords: Sequence[str] = (), **options: Any
    ) -> tuple[Path, dict[int, PageText]]:
        with pymupdf.open(source) as document:
            for password in passwords:
                document.authenticate(password)
            texts = {page.number + 1: text_of(page, **options) for page in document}
        result = tmp_path / "layered.pdf"
        with export_session(sandbox, source, len(texts), passwords=passwords) as session:
            for text in texts.values():
                session.add(text)
            pieces = b"".join(session.finish())
            result.write_bytes(pieces if session.anew else source.read_bytes() + pieces)
        return result, texts

    return lay


Layered = Callable[..., tuple[Path, dict[int, PageText]]]


def pictures(path: Path) -> list[bytes]:
    with pymupdf.open(path) as document:
        return [page.get_pixmap(dpi=100).samples for page in document]


def said(text: PageText) -> list[str]:
    return [word for line in text.lines for word in line.text.split()]


def problems(path: Path) -> list[str]:
    """What qpdf, which pikepdf brings along, has to complain of."""
    with pikepdf.open(path) as pdf:
        return [str(problem) for problem in pdf.check_pdf_syntax()]


def test_the_bytes_of_the_original_come_first_and_its_picture_stays(
    layered: Layered, letter: Path
) -> None:
    result, _ = layered(letter, replace=False)
    assert result.read_bytes().startswith(letter.read_bytes())
    assert pictures(result) == pictures(letter)
    assert problems(result) == []


def blank_pdf(path: Path, pages: int = 1, **size: Any) -> Path:
    """Pages with a grey square and no text."""
    with pymupdf.open() as document:
        for _ in range(pages):
            page = document.new_page(**size)
            page.draw_rect((50, 50, 90, 90), fill=(0.5, 0.5, 0.5))
        document.save(path)
    return path


def test_two_readers_find_the_text_and_nothing_else(layered: Layered, tmp_path: Path) -> None:
    result, texts = layered(blank_pdf(tmp_path / "blank.pdf", pages=3))
    with pymupdf.open(result) as document:
        assert [page.get_text().split() for page in document] == [*map(said, texts.values())]
    pdf = pypdfium2.PdfDocument(result)
    try:
        found = [page.get_textpage().get_text_range().split() for page in pdf]
    finally:
        pdf.close()
    assert found == [*map(said, texts.values())]


def turned_page(path: Path, degrees: int, box: pymupdf.Rect, unit: float = 1.0) -> Path:
    """A page that is turned, cropped to a box somewhere, and measured in larger units."""
    with pymupdf.open() as document:
        page = document.new_page(width=700, height=900)
        page.draw_rect((150, 250, 320, 300), fill=(0.2, 0.4, 0.6))
        page.set_cropbox(box)
        page.set_rotation(degrees)
        if unit != 1:
            document.xref_set_key(page.xref, "UserUnit", str(unit))
        document.save(path)
    return path


@pytest.mark.parametrize("unit", [1.0, 2.0])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_words_are_where_they_were_read_on_turned_and_cropped_pages(
    layered: Layered, tmp_path: Path, degrees: int, unit: float
) -> None:
    source = turned_page(tmp_path / "t.pdf", degrees, pymupdf.Rect(100, 120, 500, 820), unit)
    result, texts = layered(source)
    assert pictures(result) == pictures(source)
    assert places_off(result, texts[1]) < 1


def places_off(path: Path, text: PageText) -> float:
    """By how many points words are off at most, on the page as it is shown."""
    with pymupdf.open(path) as document:
        page = document[0]
        width, height = page.rect.width, page.rect.height
        turn = {  # PyMuPDF gives places as if the page were not turned
            90: pymupdf.Matrix(0, 1, -1, 0, width, 0),
            180: pymupdf.Matrix(-1, 0, 0, -1, width, height),
            270: pymupdf.Matrix(0, -1, 1, 0, 0, height),
        }.get(page.rotation, pymupdf.Matrix(1, 1))
        found = [
            (word[4], (pymupdf.Rect(word[:4]) * turn).normalize())
            for word in page.get_text("words")
        ]
    words = [word for line in text.lines for word in line.words]
    assert [word for word, _ in found] == [word.text for word in words]
    return max(
        abs(edge - at * 72 / DPI)
        for (_, box), word in zip(found, words, strict=True)
        for edge, at in zip(box, (*word.quad[0], *word.quad[2]), strict=True)
    )


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_text_of_a_scan_on_its_side_runs_along_the_picture(
    layered: Layered, tmp_path: Path, rotation: int
) -> None:
    # Reading turned the image by `rotation`; turning the page by as much shows the text upright.
    result, texts = layered(blank_pdf(tmp_path / "b.pdf", width=400, height=600), rotation=rotation)
    upright = tmp_path / "upright.pdf"
    with pymupdf.open(result) as document:
        document[0].set_rotation(rotation)
        document.save(upright)
    assert places_off(upright, texts[1]) < 1


def with_unseen_text(path: Path) -> Path:
    """A picture of a page under the text of an earlier OCR."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.draw_rect((50, 50, 200, 90), fill=(0.5, 0.5, 0.5))
        page.insert_text((60, 80), "wrongly rcad long ago", render_mode=3)
        document.save(path)
    return path


def test_old_unseen_text_gives_way(layered: Layered, tmp_path: Path) -> None:
    source = with_unseen_text(tmp_path / "scan.pdf")
    result, texts = layered(source)
    with pymupdf.open(result) as document:
        assert document[0].get_text().split() == said(texts[1])
    assert pictures(result) == pictures(source)
    assert result.read_bytes().startswith(source.read_bytes())


def test_old_unseen_text_in_a_form_gives_way_too(layered: Layered, tmp_path: Path) -> None:
    inner, source = with_unseen_text(tmp_path / "inner.pdf"), tmp_path / "outer.pdf"
    with pymupdf.open() as document, pymupdf.open(inner) as shown:
        document.new_page().show_pdf_page(pymupdf.Rect(0, 0, 595, 842), shown)
        document.save(source)
    result, texts = layered(source)
    with pymupdf.open(result) as document:
        assert document[0].get_text().split() == said(texts[1])
    assert pictures(result) == pictures(source)


def test_text_that_is_seen_but_garbled_keeps_its_paint_and_loses_its_characters(
    layered: Layered, letter: Path
) -> None:
    result, texts = layered(letter, replace=True)
    with pymupdf.open(result) as document:
        assert document[0].get_text().split() == said(texts[1])
    assert pictures(result) == pictures(letter)


def test_what_was_read_beside_true_text_joins_it(layered: Layered, letter: Path) -> None:
    result, texts = layered(letter, replace=False)
    with pymupdf.open(letter) as before, pymupdf.open(result) as after:
        assert sorted(after[0].get_text().split()) == sorted(
            [*before[0].get_text().split(), *said(texts[1])]
        )


def test_nothing_to_add_changes_nothing(sandbox: Sandbox, letter: Path) -> None:
    with export_session(sandbox, letter, 1) as session:
        assert not session.anew
        assert b"".join(session.finish()) == b""


@pytest.mark.parametrize("method", ["PDF_ENCRYPT_RC4_128", "PDF_ENCRYPT_AES_256"])
def test_a_protected_pdf_stays_protected(layered: Layered, tmp_path: Path, method: str) -> None:
    source = tmp_path / "locked.pdf"
    with pymupdf.open(blank_pdf(tmp_path / "open.pdf")) as document:
        document.save(
            source, encryption=getattr(pymupdf, method), user_pw="sesame", owner_pw="owner"
        )
    result, texts = layered(source, passwords=["sesame"])
    assert result.read_bytes().startswith(source.read_bytes())
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(result)
    with pikepdf.open(result, password="sesame") as pdf:
        assert pdf.check_pdf_syntax() == []
    with pymupdf.open(result) as document:
        document.authenticate("sesame")
        assert document[0].get_text().split() == said(texts[1])


def signed_pdf(path: Path, *, certified: bool) -> Path:
    """A PDF with a signature field that is filled in; nobody checks the signature itself."""
    with pikepdf.open(blank_pdf(path.with_name("unsigned.pdf"))) as pdf:
        signature = pdf.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.Sig, Contents=pikepdf.String("00"))
        )
        field = pikepdf.Dictionary(
            FT=pikepdf.Name.Sig, T=pikepdf.String("seal"), V=signature, Rect=[0, 0, 0, 0]
        )
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[pdf.make_indirect(field)], SigFlags=3)
        if certified:
            pdf.Root.Perms = pikepdf.Dictionary(DocMDP=signature)
        pdf.save(path)
    return path


def test_a_signed_pdf_is_copied_with_its_signed_bytes_as_they_are(
    layered: Layered, sandbox: Sandbox, tmp_path: Path
) -> None:
    source = signed_pdf(tmp_path / "signed.pdf", certified=False)
    with export_session(sandbox, source, 1) as session:
        assert session.signature == "signed"
    result, _ = layered(source)
    assert result.read_bytes().startswith(source.read_bytes())


def test_a_certified_pdf_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    source = signed_pdf(tmp_path / "certified.pdf", certified=True)
    with pytest.raises(CertifiedPdf), export_session(sandbox, source, 1):
        pass


def test_a_damaged_pdf_is_written_anew(layered: Layered, letter: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(letter.read_bytes().replace(b"startxref", b"startxxxx"))
    result, texts = layered(broken)
    with pymupdf.open(result) as document:
        assert not document.is_repaired
        assert document[0].get_text().split() == said(texts[1])
    assert problems(result) == []
    assert pictures(result) == pictures(letter)


def test_pages_share_one_font_and_cost_little(layered: Layered, tmp_path: Path) -> None:
    source = blank_pdf(tmp_path / "many.pdf", pages=20)
    result, _ = layered(source, rows=8)
    assert result.stat().st_size - source.stat().st_size < 20 * 1500
    with pymupdf.open(result) as document:
        fonts = {font[0] for page in document for font in page.get_fonts()}
    assert len(fonts) == 1


def test_a_page_there_is_not_is_refused_and_the_others_are_written(
    sandbox: Sandbox, letter: Path
) -> None:
    with pymupdf.open(letter) as document:
        text = text_of(document[0])
    with export_session(sandbox, letter, 1) as session:
        missing = PageText(
            page_no=5, lines=text.lines, width=9, height=9, dpi=72, rotation=0, replace=False
        )
        with pytest.raises(PageMissing):
            session.add(missing)
        session.add(text)
        assert len(b"".join(session.finish())) > 1000


def test_an_export_of_an_export_adds_no_text_twice(layered: Layered, tmp_path: Path) -> None:
    once, _ = layered(blank_pdf(tmp_path / "blank.pdf"))
    again = tmp_path / "once.pdf"
    again.write_bytes(once.read_bytes())
    twice, texts = layered(again)
    with pymupdf.open(twice) as document:
        assert document[0].get_text().split() == said(texts[1])


EVAL_DATA = os.environ.get("PAGEMILL_EVAL_DATA")


@pytest.mark.skipif(EVAL_DATA is None, reason="needs the evaluation sets")
def test_the_pdfs_of_the_robustness_set_keep_their_pictures(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    written, differing = 0, []
    for source in sorted(Path(EVAL_DATA or "", "robustness").rglob("*.pdf")):
        if result := _laid(sandbox, source, tmp_path / "out.pdf"):
            written += 1
            if _looks(source) != _looks(result):
                differing.append(source.name)
    assert written > 50
    assert len(differing) <= 2, differing  # files of a fuzzer, which no two programs see alike


def _laid(sandbox: Sandbox, source: Path, result: Path) -> Path | None:
    """The first page with text over it; None if the file is refused."""
    try:
        with pymupdf.open(source) as document:
            text = text_of(document[0])
        with export_session(sandbox, source, 1) as session:
            session.add(text)
            pieces = b"".join(session.finish())
            result.write_bytes(pieces if session.anew else source.read_bytes() + pieces)
    except (IngestError, RuntimeError, ValueError, IndexError, pymupdf.mupdf.FzErrorBase):
        return None
    return result


def _looks(path: Path) -> bytes:
    with pymupdf.open(path) as document:
        return bytes(document[0].get_pixmap(dpi=50).samples)


# The content of pages


def test_unseen_text_is_cut_and_not_a_byte_of_the_rest() -> None:
    content = b"q 3 Tr BT (un\\)seen) Tj [(x) 3 <41>] TJ ET Q BT (seen) Tj ET"
    assert without_unseen(content) == b"q 3 Tr BT   ET Q BT (seen) Tj ET"


def test_unseen_text_that_moves_seen_text_stays() -> None:
    content = b"BT 3 Tr (pushes) Tj 0 Tr (this) Tj 3 Tr (goes) Tj ET"
    assert without_unseen(content) == b"BT 3 Tr (pushes) Tj 0 Tr (this) Tj 3 Tr  ET"


def test_going_to_the_next_line_is_kept_when_its_text_is_not() -> None:
    content = b"BT 3 Tr (a) ' 2 1 (b) \" 0 Tr (c) ' ET"
    assert without_unseen(content) == b"BT 3 Tr T* 2 Tw 1 Tc T* 0 Tr (c) ' ET"


def test_an_inline_image_is_one_operator_whatever_its_bytes_say() -> None:
    content = b"BI /W 1 /H 2 ID \x00 Tj ( EI\xff EI\nBT (t) Tj ET"
    names = [operator.name for operator in operators(content)]
    assert names == [b"BI", b"ID", b"BT", b"Tj", b"ET"]


def test_content_that_ends_in_the_middle_is_no_fault() -> None:
    assert without_unseen(b"BT 3 Tr (never closed") == b"BT 3 Tr (never closed"
    assert io.BytesIO(without_unseen(b"")).read() == b""
