"""What became of the documents of a job: the summary of `pagemill run`."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click
from sqlalchemy import func, make_url, select
from sqlalchemy.orm import Session

from storage import overview
from storage.errors import ErrorInfo
from storage.schema import Page
from workers.commands.exits import Problem, error_as_json
from workers.commands.progress import duration
from workers.settings import Settings

_IDS_A_QUERY = 10_000
"""Databases limit the variables of a statement; jobs have any number of documents."""
_STATES = {"done": "done", "partial": "read in part", "failed": "refused", "reading": "unfinished"}


@dataclass(slots=True)
class Summary:
    """Documents and pages of a job, those included that had been read before."""

    seconds: float
    documents: Counter[str] = field(default_factory=Counter)
    """By state."""
    pages: Counter[str] = field(default_factory=Counter)
    """By state."""
    from_text_layer: int = 0
    """Pages that are done and have their text, at least in part, from the file's own layer."""
    new_pages: int = 0
    """Pages that came to be done since the job began."""
    problems: list[Problem] = field(default_factory=list)
    example: int | None = None
    """A document with text."""

    @property
    def pages_read(self) -> int:
        """Pages whose text is in the database."""
        return self.pages["done"]

    @property
    def pages_per_minute(self) -> float:
        """Speed of this job, from its first moment to its last."""
        return 60 * self.new_pages / self.seconds if self.seconds > 0 else 0.0


def summarize(
    session: Session, document_ids: Collection[int], began: datetime, seconds: float
) -> Summary:
    """Count what became of the documents, and of their pages since the job began."""
    summary = Summary(seconds)
    for ids in _chunks(sorted(document_ids)):
        counts = overview.counts(session, ids)
        summary.documents.update(counts.documents)
        summary.pages.update(counts.pages)
        _count_done(session, ids, began, summary)
        summary.problems += map(_problem, overview.problems(session, document_ids=ids))
    return summary


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _IDS_A_QUERY):
        yield ids[start : start + _IDS_A_QUERY]


def _count_done(session: Session, ids: list[int], began: datetime, summary: Summary) -> None:
    row = session.execute(
        select(
            func.count().filter(Page.text_source == "text_layer"),
            func.count().filter(Page.finished_at >= began),
            func.min(Page.document_id),
        ).where(Page.document_id.in_(ids), Page.state == "done")
    ).one()
    summary.from_text_layer += row[0]
    summary.new_pages += row[1]
    summary.example = summary.example or row[2]


def _problem(found: overview.Problem) -> Problem:
    code, message = found.error_code or "unknown", found.error_message or "No reason is known."
    return Problem(found.source, ErrorInfo(code, message, found.error_advice or ""), found.page_no)


def as_json(summary: Summary, settings: Settings) -> dict[str, Any]:
    """Everything the summary says, for a program."""
    return {
        "database": _shown_url(settings),
        "documents": dict(summary.documents),
        "pages": dict(summary.pages),
        "pages_from_text_layer": summary.from_text_layer,
        "new_pages": summary.new_pages,
        "seconds": round(summary.seconds, 3),
        "pages_per_minute": round(summary.pages_per_minute, 1),
        "problems": [
            {"source": problem.name, "page": problem.page_no, **error_as_json(problem.error)}
            for problem in summary.problems
        ],
    }


def print_summary(summary: Summary, settings: Settings) -> None:
    """What was read, how fast, where the text is, and what to do with it."""
    pages, layer = summary.pages, summary.from_text_layer
    documents = [f"{n} {_STATES[state]}" for state, n in summary.documents.items() if n]
    click.echo(f"{summary.documents.total()} documents: {', '.join(documents)}")
    kinds = {
        "read": pages["done"] - layer,
        "from their text layer": layer,
        "in quarantine": pages["quarantined"],
        "unfinished": pages["pending"] + pages["leased"],
    }
    told = [f"{count} {kind}" for kind, count in kinds.items() if count]
    click.echo(f"{pages.total()} pages: {', '.join(told) or 'none'}")
    if summary.new_pages:
        speed = f"{summary.pages_per_minute:.0f} pages a minute"
        click.echo(f"{duration(summary.seconds)} for {summary.new_pages} pages, {speed}")
    elif summary.pages_read:
        click.echo("Nothing was left to do: every page had been read before.")
    if summary.pages_read:
        _print_next(summary, settings)


def _print_next(summary: Summary, settings: Settings) -> None:
    url = _shown_url(settings)
    default = type(settings).model_fields["database_url"].default
    flag = "" if settings.database_url == default else f" --database {shlex.quote(url)}"
    click.echo(f"\nThe text is in {url}. Try:")
    click.echo(f'  pagemill search "some words"{flag}')
    click.echo(f'  pagemill sql "SELECT document_id, page_no, text FROM v_pages"{flag}')
    click.echo(f"  pagemill export {summary.example} --format txt{flag}")


def _shown_url(settings: Settings) -> str:
    return make_url(settings.database_url).render_as_string(hide_password=True)
