"""PDF/A-2b: what the standard asks of a file that can be told without its validator."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pymupdf
import pytest
from PIL import Image, ImageCms

from ingest.errors import NotArchivable
from ingest.export_session import PageText, export_session
from ingest.sandbox import Sandbox
from ocr_core.page import TextLine, Word, quad_of
from storage.exports import scan_pdf
from storage.pages import DocumentRef, PageRecord

WORD = Word("archived", quad_of((100, 100, 220, 130)), 0.9)
LINE = TextLine("archived", WORD.quad, 0.9, (WORD,))
TEXT = PageText(page_no=1, lines=(LINE,), width=595, height=842, dpi=72, rotation=0, replace=False)


@pytest.fixture
def archived(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Path]:
    """Makes a PDF archival, with one line of text over it."""

    def archive(source: Path, **options: Any) -> Path:
        result = tmp_path / "archived.pdf"
        with export_session(sandbox, source, 1, archival=True, **options) as session:
            session.add(TEXT)
            assert session.anew
            result.write_bytes(b"".join(session.finish()))
        return result

    return archive


def letter_with(path: Path, *, embedded: bool = True, **saving: Any) -> Path:
    """A letter whose font lies in the file, or does not."""
    with pymupdf.open() as document:
        page = document.new_page(width=595, height=842)
        if embedded:
            page.insert_font(fontname="cjk", fontbuffer=pymupdf.Font("cjk").buffer)
            page.insert_text((72, 300), "Dear archive,", fontname="cjk")
            document.subset_fonts()
        else:
            page.insert_text((72, 300), "Dear archive,", fontname="helv")
        page.insert_link(
            {"kind": pymupdf.LINK_URI, "from": pymupdf.Rect(72, 400, 99, 420), "uri": "http://x"}
        )
        document.set_metadata({"title": "A <letter>"})
        document.save(path, **saving)
    return path


def complaints(path: Path) -> list[str]:
    """What ISO 19005-2 forbids or wants and qpdf's eyes can see."""
    data, found = path.read_bytes(), []
    with pikepdf.open(path) as pdf:
        found += [str(problem) for problem in pdf.check_pdf_syntax()]
        found += ["encrypted"] if pdf.is_encrypted else []
        found += [] if "/ID" in pdf.trailer else ["no ID (6.1.3)"]
        found += [] if data[9] == ord("%") and min(data[10:14]) > 127 else ["header (6.1.2)"]
        found += _colour_complaints(pdf) + _metadata_complaints(pdf)
        for object_ in pdf.objects:
            found += _object_complaints(object_)
    return found


def _colour_complaints(pdf: pikepdf.Pdf) -> list[str]:
    (intent,) = pdf.Root.OutputIntents
    profile = intent.DestOutputProfile
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile.read_bytes()))
    right = (intent.S, profile.N, opened.profile.xcolor_space) == ("/GTS_PDFA1", 3, "RGB ")
    return [] if right else ["output intent (6.2.3)"]


def _metadata_complaints(pdf: pikepdf.Pdf) -> list[str]:
    if "/Filter" in pdf.Root.Metadata:
        return ["packed metadata"]
    with pdf.open_metadata() as metadata:
        return [] if metadata.pdfa_status == "2B" else [f"claims {metadata.pdfa_status!r}"]


def _object_complaints(object_: Any) -> list[str]:
    if not isinstance(object_, (pikepdf.Dictionary, pikepdf.Stream)):
        return []
    found = []
    if object_.get("/Type") == "/FontDescriptor":
        embedded = {"/FontFile", "/FontFile2", "/FontFile3"} & set(object_.keys())
        found += [] if embedded else ["font not embedded (6.2.11.4)"]
    if object_.get("/Subtype") == "/CIDFontType2" and "/CIDToGIDMap" not in object_:
        found.append("no CIDToGIDMap (6.2.11.3)")
    if "LZW" in str(object_.get("/Filter", "")):
        found.append("LZW (6.1.7)")
    if object_.get("/Subtype") == "/Link" and int(object_.get("/F", 0)) & 0b100111 != 0b100:
        found.append("flags of a note (6.3.2)")
    return found


def test_a_letter_becomes_archival_and_keeps_its_looks(
    archived: Callable[..., Path], tmp_path: Path
) -> None:
    source = letter_with(tmp_path / "letter.pdf")
    result = archived(source)
    assert complaints(result) == []
    with pymupdf.open(source) as before, pymupdf.open(result) as after:
        shades = zip(
            before[0].get_pixmap(dpi=100).samples, after[0].get_pixmap(dpi=100).samples, strict=True
        )
        assert max(abs(one - other) for one, other in shades) <= 1  # of 255: by the output intent
        assert sorted(after[0].get_text().split()) == ["Dear", "archive,", "archived"]
        assert after.metadata["title"] == "A <letter>"


def test_a_protected_letter_is_archived_without_protection(
    archived: Callable[..., Path], tmp_path: Path
) -> None:
    source = letter_with(
        tmp_path / "locked.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="sesame"
    )
    assert complaints(archived(source, passwords=["sesame"])) == []


def refusal(sandbox: Sandbox, source: Path) -> str:
    with pytest.raises(NotArchivable) as refused, export_session(sandbox, source, 1, archival=True):
        pass
    return str(refused.value)


def test_a_font_that_is_not_in_the_file_stands_in_the_way(sandbox: Sandbox, tmp_path: Path) -> None:
    source = letter_with(tmp_path / "letter.pdf", embedded=False)
    assert "Helvetica" in refusal(sandbox, source)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("attachments", lambda document: document.embfile_add("a.txt", b"a")),
        ("CMYK", lambda document: document[0].draw_line((9, 9), (99, 9), color=(1, 0, 0, 0))),
        (
            "scripts",
            lambda document: document.xref_set_key(
                document.pdf_catalog(), "OpenAction", "<</S/JavaScript/JS(app.beep\\(\\))>>"
            ),
        ),
    ],
)
def test_what_cannot_be_archived_is_named(
    sandbox: Sandbox, tmp_path: Path, what: str, change: Callable[[Any], Any]
) -> None:
    source = tmp_path / "changed.pdf"
    with pymupdf.open(letter_with(tmp_path / "letter.pdf")) as document:
        change(document)
        document.save(source)
    assert what in refusal(sandbox, source)


def test_scans_become_archival(sandbox: Sandbox, tmp_path: Path) -> None:
    source, result = tmp_path / "scan.jpg", tmp_path / "scan.pdf"
    Image.new("RGB", (595, 842), (200, 210, 220)).save(source)
    page = PageRecord(
        document=DocumentRef(1, "a" * 64, "/scans/<scan> & co.jpg", "image/jpeg", 1),
        page_no=1,
        state="done",
        lines=(LINE,),
        width=595,
        height=842,
        dpi=72,
        rotation=0,
        text_source="ocr",
        verdict="none",
        mean_confidence=0.9,
        seconds=None,
        image_sha256=None,
        error_code=None,
        error_message=None,
        read_by=None,
    )
    with export_session(sandbox, source, 1) as session, result.open("wb") as file:
        scan_pdf.write([page], session.picture, file.write, archival=True)
    assert complaints(result) == []
    with pymupdf.open(result) as document:
        assert document[0].get_text().split() == ["archived"]
