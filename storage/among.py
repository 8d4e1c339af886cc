"""`column in (numbers)` for any number of numbers."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

FEW = 64


def among(
    column: InstrumentedAttribute[int] | Column[int], numbers: Collection[int]
) -> ColumnElement[bool]:
    """Whether a column is one of some numbers.

    A few are parameters of their own, which a planner can count; many travel as one value, for a
    database takes only some ten thousand parameters.
    """
    if len(numbers) <= FEW:
        return column.in_(sorted(numbers))
    return _Among(column, bindparam(None, sorted(numbers), type_=_Numbers()))


class _Numbers(TypeDecorator[list[int]]):
    """Whole numbers as text: a JSON array on SQLite, an array's literal on PostgreSQL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> str:
        text = json.dumps(value or [], separators=(",", ":"))
        return text if dialect.name == "sqlite" else f"{{{text[1:-1]}}}"


class _Among(FunctionElement[bool]):
    type = Boolean()
    name = "among"
    inherit_cache = True


@compiles(_Among, "sqlite")
def _on_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"


@compiles(_Among, "postgresql")
def _on_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY(CAST({numbers} AS bigint[]))"
