"""`pagemill status`, `retry` and `quarantine`: what is done, what waits, what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.errors import SourceMissing
from storage import overview
from storage.buckets import readable
from storage.documents import find_document
from storage.ledger import requeue, work_left
from storage.schema import Page
from workers.commands.exits import ExitCode, Problem, say, say_problems
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.commands.tables import print_facts, print_json, print_json_rows, print_table, printable

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
_PAGE_COLUMNS = {
    "page": Page.page_no,
    "state": Page.state,
    "source": Page.text_source,
    "confidence": Page.mean_confidence,
    "seconds": Page.seconds,
    "attempts": Page.attempts,
    "error": Page.error_code,
    "message": Page.error_message,
}


@click.command()
@click.argument("document", required=False, metavar="[DOC]")
@_AS_JSON
@options("database")
@pass_invocation
def status(invocation: Invocation, document: str | None, as_json: bool) -> None:
    """Show how many documents and pages are in which state, or the pages of DOC.

    DOC is a document's number, path, file name, or the start of its SHA-256.
    """
    with invocation.reading() as session:
        if document is None:
            _print_overview(session, as_json=as_json)
        else:
            _print_document(session, find_document(session, document).id, as_json=as_json)


def _print_overview(session: Session, *, as_json: bool) -> None:
    counts, left = overview.counts(session), work_left(session)
    if as_json:
        waiting = {"due": left.pending_due, "later": left.pending_later, "leased": left.leased}
        work = waiting | {"next_due": left.next_due and left.next_due.isoformat()}
        print_json({"documents": counts.documents, "pages": counts.pages, "work_left": work})
        return
    documents = [("documents", *each) for each in counts.documents.items()]
    pages = [("pages", *each) for each in counts.pages.items()]
    print_table(["", "state", "count"], documents + pages)
    say(_left(left.pending_due, left.pending_later, left.leased))
    if counts.pages["quarantined"] or counts.documents["failed"]:
        say("What went wrong: pagemill quarantine list. Try again: pagemill retry --failed.")


def _left(due: int, later: int, leased: int) -> str:
    if not due + later + leased:
        return "Nothing is left to do."
    return f"Left to do: {due} pages wait, {later} will be tried again later, {leased} are in hand."


def _print_document(session: Session, document_id: int, *, as_json: bool) -> None:
    facts = overview.document_status(session, document_id)
    chosen = select(*_PAGE_COLUMNS.values()).where(Page.document_id == document_id)
    pages = session.execute(chosen.order_by(Page.page_no))
    if as_json:
        listed = [dict(zip(_PAGE_COLUMNS, page, strict=True)) for page in pages]
        print_json(asdict(facts) | {"pages": listed})
        return
    print_facts(asdict(facts))
    print_table(list(_PAGE_COLUMNS), pages)


@click.command()
@click.argument("document", required=False, metavar="[DOC|--failed]")
@click.option("--failed", is_flag=True, help="Everything that went wrong.")
@options("database", "password")
@pass_invocation
@click.pass_context
def retry(
    context: click.Context, invocation: Invocation, document: str | None, failed: bool
) -> None:
    """Let quarantined pages wait again, and try again to open what could not be opened.

    The pages are read by running workers, or by the next `pagemill run`.
    """
    if (document is None) != failed:
        raise click.UsageError("Name a document, or say --failed.")
    with invocation.writing() as session:
        chosen = find_document(session, document).id if document else None
        pages = requeue(session, document_id=chosen)
        uris = overview.failed_uris(session, None if chosen is None else [chosen])
    refused = _take_in_again(invocation, uris) if uris else []
    say(f"{pages} pages wait again, {len(uris) - len(refused)} documents were opened.")
    if not pages and not uris:
        say("Nothing had gone wrong.")
    say_problems(refused)
    context.exit(ExitCode.PARTLY if refused else ExitCode.WELL)


def _take_in_again(invocation: Invocation, uris: Sequence[str]) -> list[Problem]:
    """Take in what could not be opened before, perhaps with passwords; what still cannot be."""
    from workers.intake import take_in
    from workers.services import Services
    from workers.sources import find_source

    refused = []
    with Services(invocation.settings()) as services:
        for uri in uris:
            try:
                error = take_in(find_source(uri), services).error
            except SourceMissing as missing:
                error = missing
            if error:
                refused.append(Problem.of(readable(uri), error))
    return refused


@click.group()
def quarantine() -> None:
    """List, show and release the pages that could not be read."""


@quarantine.command("list")
@_AS_JSON
@options("database")
@pass_invocation
def list_(invocation: Invocation, as_json: bool) -> None:
    """List quarantined pages and why they are there."""
    with invocation.reading() as session:
        found = overview.problems(session, pages_only=True)
        if as_json:
            print_json_rows(map(asdict, found))
            return
        rows = ((p.document_id, p.page_no, p.error_code, p.error_message, p.source) for p in found)
        print_table(["document", "page", "code", "message", "source"], rows)
        refused = overview.counts(session).documents["failed"]
    if refused:
        say(f"{refused} documents could not be opened: pagemill sql 'SELECT * FROM v_errors'")


@quarantine.command()
@click.argument("document", metavar="DOC")
@click.argument("page_no", required=False, type=click.IntRange(min=1), metavar="[PAGE]")
@_AS_JSON
@options("database")
@pass_invocation
def show(invocation: Invocation, document: str, page_no: int | None, as_json: bool) -> None:
    """Show why pages of DOC are in quarantine, what to do, and every try at them."""
    with invocation.reading() as session:
        chosen = find_document(session, document).id
        pages = [
            (problem, overview.attempts(session, chosen, problem.page_no))
            for problem in overview.problems(session, document_ids=[chosen], pages_only=True)
            if problem.page_no is not None and page_no in (None, problem.page_no)
        ]
    if as_json:
        print_json_rows(asdict(page) | {"tries": [*map(asdict, tries)]} for page, tries in pages)
        return
    if not pages:
        say("No such page is in quarantine.")
    for page, tries in pages:
        _print_quarantined(page, tries)


def _print_quarantined(page: overview.Problem, tries: Sequence[overview.PageAttempt]) -> None:
    click.echo(printable(f"{page.source} page {page.page_no} (document {page.document_id})"))
    click.echo(printable(f"  {page.error_code}: {page.error_message}"))
    click.echo(printable(f"  {page.error_advice or ''}"))
    rows = ((t.started_at, t.finished_at, t.outcome, t.worker, t.error_message) for t in tries)
    print_table(["started", "finished", "outcome", "worker", "message"], rows)


@quarantine.command()
@click.argument("document", required=False, metavar="[DOC]")
@click.argument("page_no", required=False, type=click.IntRange(min=1), metavar="[PAGE]")
@click.option("--all", "everything", is_flag=True, help="Every quarantined page.")
@options("database")
@pass_invocation
def release(
    invocation: Invocation, document: str | None, page_no: int | None, everything: bool
) -> None:
    """Let quarantined pages of DOC, or all of them, wait to be read again."""
    if (document is None) != everything:
        raise click.UsageError("Name a document, or say --all.")
    with invocation.writing() as session:
        chosen = find_document(session, document).id if document else None
        freed = requeue(session, document_id=chosen, page_no=page_no)
    say(f"{freed} pages wait again; running workers or the next `pagemill run` read them.")
