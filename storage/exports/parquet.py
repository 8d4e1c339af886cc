"""Parquet: a row a line of text or a word, typed columns as in `rows`; compressed with Zstandard.

Rows are handed over a few thousand at a time, so that memory does not grow with the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING

from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from storage.exports.rows import LINES, Kind, Row, Table

if TYPE_CHECKING:
    from storage.pages import PageRecord

ROWS_A_BATCH = 4096
ROWS_A_GROUP = 65_536


def write(pages: Iterable[PageRecord], file: IO[bytes], table: Table = LINES) -> None:
    """Write the file; what `pages` raises is raised as it is."""
    batches = _Batches(pages, table)
    try:
        write_parquet(
            RecordBatchReader.from_batches(batches.schema, batches),
            file,
            compression="zstd(3)",
            max_row_group_size=ROWS_A_GROUP,
            created_by="pagemill",
        )
    except Exception:
        if batches.failure is not None:  # the library tells only its text
            raise batches.failure from None
        raise


class _Batches:
    """Rows as record batches, and what went wrong while they were made."""

    def __init__(self, pages: Iterable[PageRecord], table: Table) -> None:
        self._types = [_type_of(kind) for _, kind in table.columns]
        fields = zip(table.names(), self._types, strict=True)
        self.schema = Schema([Field(name, kind) for name, kind in fields])
        self.failure: Exception | None = None
        self._rows = table.all_rows(pages)

    def __iter__(self) -> Iterator[RecordBatch]:
        try:
            while rows := list(islice(self._rows, ROWS_A_BATCH)):
                yield self._batch(rows)
        except Exception as error:  # the border: beyond it is a library in another language
            self.failure = error
            raise

    def _batch(self, rows: Iterable[Row]) -> RecordBatch:
        columns = zip(*rows, strict=True)
        arrays = [
            Array(list(column), kind) for column, kind in zip(columns, self._types, strict=True)
        ]
        return RecordBatch.from_arrays(arrays, schema=self.schema)


def _type_of(kind: Kind) -> DataType:
    match kind:
        case "integer":
            return DataType.int64()
        case "number":
            return DataType.float64()
        case "text":
            return DataType.string()
