"""`pagemill run`: the main job on one machine."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from storage.errors import DatabaseMissing
from workers.commands.exits import ExitCode, NothingRead, say, say_problems, verdict
from workers.commands.invocation import READING, Invocation, options, pass_invocation
from workers.commands.progress import display
from workers.commands.tables import print_json
from workers.settings import Settings
from workers.sources import find_sources


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="The summary, for programs.")
@options("database", "broker", "bucket", "jobs", *READING)
@pass_invocation
@click.pass_context
def run(
    context: click.Context, invocation: Invocation, paths: tuple[str, ...], as_json: bool
) -> None:
    """Read files, folders and buckets into the database, and end when every page is at rest.

    The same command continues a job that was interrupted; no page is read twice. Without PATH it
    reads the bucket that is set, or else what still waits in the database.
    """
    from workers.supervisor import Supervisor

    settings = invocation.settings()
    began = datetime.now(UTC)
    sources = find_sources(paths or _unnamed(invocation, settings))
    with display(quiet=invocation.quiet) as show, Supervisor(settings) as supervisor:
        outcome = supervisor.run_until_rest(sources, show)
    # Imported by now: above, it would have kept the worker from starting.
    from workers.commands.summary import as_json as summary_as_json
    from workers.commands.summary import print_summary, summarize

    if not outcome.taken_in and not outcome.interrupted:
        raise NothingRead(f"There are no documents in {', '.join(paths)}.")
    with invocation.reading() as session:
        document_ids = {taken.document_id for taken in outcome.taken_in}
        summary = summarize(session, document_ids, began, outcome.progress.seconds)
    if as_json:
        print_json(summary_as_json(summary, settings))
    elif not invocation.quiet:
        print_summary(summary, settings)
    say_problems(summary.problems)
    if outcome.interrupted:
        say("Interrupted. The same command goes on from here.")
        context.exit(ExitCode.INTERRUPTED)
    context.exit(verdict(summary.pages_read, len(summary.problems)))


def _unnamed(invocation: Invocation, settings: Settings) -> list[str]:
    """What is meant when no path is given."""
    if settings.bucket:
        return [settings.bucket]
    waiting = _waiting(invocation)
    if not waiting:
        raise click.UsageError("Name files, folders or buckets; no page waits in the database.")
    return waiting


def _waiting(invocation: Invocation) -> list[str]:
    """Where the documents lie of which pages are still to be read."""
    from storage.documents import latest_source
    from storage.overview import document_statuses

    try:
        with invocation.reading() as session:
            reading = [each.document_id for each in document_statuses(session, state="reading")]
            return [place.uri for place in latest_source(session, reading).values()]
    except DatabaseMissing:
        return []
