"""The forms a document can be exported in: how its file ends, and what writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Literal

from storage.exports import alto, comma_separated, hocr, jsonl, layout, markdown, pagexml, text
from storage.exports.rows import TABLES
from storage.pages import PageRecord

Writer = Callable[[Iterable[PageRecord], IO[bytes]], None]
Render = Callable[[Iterable[PageRecord]], Iterator[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person chose about the content of the files."""

    rows: Literal["lines", "words"] = "lines"
    """What a row of a table is."""
    layout: bool = False
    """Whether plain text stands as on the page, not in reading order."""
    archival: bool = False
    """Whether PDFs are to be PDF/A-2b."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of export."""

    ending: str
    """Of its files, after the point."""
    writer: Callable[[Options], Writer] | None
    """None where the original is needed, too (see SearchablePdf)."""
    a_page_a_file: bool = False


def _lines(render: Render) -> Callable[[Options], Writer]:
    return lambda options: partial(_encoded, render)


def _encoded(render: Render, pages: Iterable[PageRecord], file: IO[bytes]) -> None:
    file.writelines(piece.encode() for piece in render(pages))


def _text(options: Options) -> Writer:
    return partial(_encoded, layout.render if options.layout else text.render)


def _csv(options: Options) -> Writer:
    return partial(_encoded, partial(comma_separated.render, table=TABLES[options.rows]))


def _parquet(options: Options) -> Writer:
    from storage.exports import parquet  # its library is large

    return partial(parquet.write, table=TABLES[options.rows])


def _page_xml(pages: Iterable[PageRecord]) -> Iterator[str]:
    return (pagexml.render(page) for page in pages)


FORMS = {
    "txt": Form("txt", _text),
    "md": Form("md", _lines(markdown.render)),
    "jsonl": Form("jsonl", _lines(jsonl.render)),
    "hocr": Form("hocr", _lines(hocr.render)),
    "alto": Form("alto.xml", _lines(alto.render)),
    "page": Form("page.xml", _lines(_page_xml), a_page_a_file=True),
    "pdf": Form("pdf", None),
    "csv": Form("csv", _csv),
    "parquet": Form("parquet", _parquet),
}
"""By the name a person asks for."""
