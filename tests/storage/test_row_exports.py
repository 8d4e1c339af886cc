"""CSV and Parquet: the same rows and types whoever opens them."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas
import pytest

from ocr_core.page import TextLine
from storage.exports import comma_separated, parquet
from storage.exports.rows import LINES, WORDS, Table
from storage.pages import DocumentRef, PageRecord, ReadBy

MakeLine = Callable[..., TextLine]
DOCUMENT = DocumentRef(7, "a" * 64, "/inbox/发票.pdf", "application/pdf", 9)
READ_BY = ReadBy("rec", "b" * 64, "det", "c" * 64, None, None, "openvino", "fp32", "d" * 64, "1.0")


def page(*lines: TextLine, page_no: int = 1) -> PageRecord:
    return PageRecord(
        document=DOCUMENT,
        page_no=page_no,
        state="done",
        lines=lines,
        width=1000,
        height=1400,
        dpi=200.0,
        rotation=0,
        text_source="ocr",
        verdict="none",
        mean_confidence=0.9,
        seconds=0.5,
        image_sha256="e" * 64,
        error_code=None,
        error_message=None,
        read_by=READ_BY,
        read_at=datetime(2026, 3, 4, tzinfo=UTC),
    )


@pytest.fixture
def pages(make_line: MakeLine) -> list[PageRecord]:
    return [
        page(make_line('say "增值税", twice', x=1.5), make_line("second\tline", y=30, block=1)),
        page(page_no=2),
        page(make_line("last", y=7, confidence=0.1234), page_no=3),
    ]


def written(pages: list[PageRecord], table: Table, folder: Path) -> str:
    path = folder / "rows.parquet"
    with path.open("wb") as file:
        parquet.write(pages, file, table)
    return str(path)


@pytest.mark.parametrize("table", [LINES, WORDS])
def test_csv_read_back_is_every_row(pages: list[PageRecord], table: Table) -> None:
    text = "".join(comma_separated.render(pages, table))
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == table.names()
    expected = [
        ["" if value is None else str(value) for value in row] for row in table.all_rows(pages)
    ]
    assert rows == expected
    assert len(rows) == {LINES: 3, WORDS: 6}[table]


@pytest.mark.parametrize("table", [LINES, WORDS])
def test_duckdb_opens_parquet_with_every_row_and_type(
    pages: list[PageRecord], table: Table, tmp_path: Path
) -> None:
    found = duckdb.connect().read_parquet(written(pages, table, tmp_path))
    assert found.columns == table.names()
    assert found.fetchall() == list(table.all_rows(pages))
    types = {"integer": "BIGINT", "number": "DOUBLE", "text": "VARCHAR"}
    assert [str(kind) for kind in found.types] == [types[kind] for _, kind in table.columns]


def test_pandas_opens_parquet_and_counts(pages: list[PageRecord], tmp_path: Path) -> None:
    frame = pandas.read_parquet(written(pages, LINES, tmp_path))
    assert frame["confidence"].dtype == "float64"
    assert frame.groupby("page_no").size().to_dict() == {1: 2, 3: 1}
    assert frame.loc[frame["page_no"] == 3, "text"].tolist() == ["last"]


def test_a_document_without_lines_still_has_columns(tmp_path: Path) -> None:
    found = duckdb.connect().read_parquet(written([page()], LINES, tmp_path))
    assert (found.columns, found.fetchall()) == (LINES.names(), [])


def test_parquet_takes_pages_as_it_writes_them(make_line: MakeLine, tmp_path: Path) -> None:
    file = io.BytesIO()
    sizes = []

    def pages() -> Iterator[PageRecord]:
        line = make_line(" ".join(f"word{n}" for n in range(40)))
        for number in range(1, 3 * parquet.ROWS_A_GROUP // 40 // 100):
            sizes.append(file.tell())
            yield page(*[line] * 100, page_no=number)

    parquet.write(pages(), file, WORDS)
    assert 0 < sizes[-1] < file.tell()  # some of it was written before the last page was asked for
    assert file.getvalue()[:4] == b"PAR1"


def test_what_goes_wrong_with_a_page_is_raised_as_it_is() -> None:
    class Gone(Exception): ...

    def pages() -> Iterator[PageRecord]:
        yield page()
        raise Gone("the database")

    with pytest.raises(Gone, match="the database"):
        parquet.write(pages(), io.BytesIO(), LINES)
