"""`pagemill watch`: keep reading what is put into a bucket."""

from __future__ import annotations

import click

from ingest.watch import FolderWatch
from storage.buckets import open_bucket, readable
from storage.errors import BUCKET_AWAY
from workers.commands.exits import ExitCode, Problem, WrongUsage, say, say_error, say_problems
from workers.commands.invocation import READING, Invocation, options, pass_invocation
from workers.commands.progress import display
from workers.intake import TakenIn
from workers.sources import Source


@click.command()
@click.argument("place", required=False, metavar="BUCKET")
@click.option("--embedded", is_flag=True, help="Read with workers of its own.")
@options("database", "broker", "bucket", "jobs", *READING)
@pass_invocation
@click.pass_context
def watch(
    context: click.Context, invocation: Invocation, place: str | None, embedded: bool
) -> None:
    """Take in every complete file that appears in BUCKET, until interrupted.

    A file is complete when it has not changed for a while; hidden and temporary files are passed
    over. With --embedded the pages are read, too.
    """
    from workers.supervisor import Supervisor

    settings = invocation.settings(bucket=place)
    if settings.bucket is None:
        raise click.UsageError("Name a bucket to watch.")
    if not embedded:
        raise WrongUsage("this version reads what it watches itself", "Say --embedded.")
    bucket = open_bucket(settings.bucket)
    scan = Scan(FolderWatch(bucket, settings.quiet_seconds))
    say(f"Watching {settings.bucket}; the text goes to {settings.database_url}. Ctrl-C ends it.")
    with display(quiet=invocation.quiet) as show, Supervisor(settings) as supervisor:
        supervisor.watch(scan, show, _say_taken_in)
    context.exit(ExitCode.INTERRUPTED)


class Scan:
    """What is newly complete in a bucket; a bucket that is away for a while may come back."""

    def __init__(self, watched: FolderWatch) -> None:
        self._watched = watched
        self._away = False

    def __call__(self) -> list[Source]:
        """List the bucket."""
        try:
            found = self._watched.scan()
        except BUCKET_AWAY as error:
            if not self._away:
                say_error(str(error), "Watching goes on; it is read when it is back.")
            self._away = True
            return []
        self._away = False
        return [Source(self._watched.bucket, each) for each in found]


def _say_taken_in(taken: TakenIn) -> None:
    name = readable(taken.uri)
    if taken.error:
        say_problems([Problem.of(name, taken.error)])
    elif taken.state == "taken":
        say(f"{name}: document {taken.document_id}, {taken.pages} pages")
