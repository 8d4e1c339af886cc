"""Markdown tables, and the places in a document where a command writes its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers, aligned right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


def number(value: float | None, digits: int = 3) -> str:
    """A figure as it is printed; a missing one is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def mark_best(values: Sequence[float | None], digits: int, lower: bool) -> list[str]:
    """The values printed, the best in bold: every one that prints like it."""
    printed = [number(value, digits) for value in values]
    known = [value for value in values if value is not None]
    if not known:
        return printed
    best = number(min(known) if lower else max(known), digits)
    return [f"**{text}**" if text == best else text for text in printed]


def write_between(document: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->`; both must be there."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before = document.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{document} has no {start} … {end}")
    after = pattern.sub(lambda _: f"{start}\n{text}\n{end}", before, count=1)
    document.write_text(after, encoding="utf-8")
