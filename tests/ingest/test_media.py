import pytest

from ingest.errors import EmptyFile, UnsupportedType
from ingest.media import Limits, sniff

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\xef\xbb\xbf junk of a mail gateway\n%PDF-1.4", "application/pdf"),
        (b"1 0 obj <</Type /Catalog>> endobj", "application/pdf"),
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"MM\0*\0\0\0\x08", "image/tiff"),
        (b"II+\0\x08\0\0\0", "image/tiff"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
        (b"\xff\x4f\xff\x51\0\x29", "image/jp2"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "image/avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0avifmiaf", "image/avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
        (b"BM" + b"\0" * 12 + b"\x28\0\0\0", "image/bmp"),
    ],
)
def test_a_type_is_told_by_its_first_bytes(head: bytes, media_type: str) -> None:
    assert sniff(head) == media_type


def test_an_image_that_mentions_pdf_is_an_image() -> None:
    assert sniff(PNG + b"%PDF-1.7") == "image/png"


@pytest.mark.parametrize(
    "head",
    [b"PK\x03\x04", b"<svg/>", b"BM but no bitmap at all", b"\0\0\0\x18ftypisom", b"hello", b"\0"],
)
def test_anything_else_is_refused_with_what_it_looks_like(head: bytes) -> None:
    with pytest.raises(UnsupportedType) as refusal:
        sniff(head)
    assert refusal.value.detail


def test_no_bytes_are_an_empty_file() -> None:
    with pytest.raises(EmptyFile):
        sniff(b"")


def test_a_limit_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="memory_bytes"):
        Limits(memory_bytes=0)
