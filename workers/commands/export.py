"""`pagemill export`: what was read, as files, without reading anything again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NoReturn

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.documents import find_document
from storage.schema import Document
from workers.commands.exits import WrongUsage, say, say_problems, verdict
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.export_forms import FORMS, Options
from workers.exporting import Export

_PATH = click.Path(path_type=Path)


def _form(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value in FORMS:
        return value
    known = ", ".join(FORMS)
    raise WrongUsage(f"format_unavailable: this version has no format {value!r}", f"Use {known}.")


@click.command()
@click.argument("documents", nargs=-1, metavar="DOC...")
@click.option("--all", "everything", is_flag=True, help="Every document of the database.")
@click.option(
    "--format",
    "form",
    default="txt",
    show_default=True,
    metavar="|".join(FORMS),
    callback=_form,
)
@click.option("-o", "--output", type=_PATH, help="File, or folder for several [stdout].")
@click.option("--watch", type=_PATH, help="Folder to write each document into as it finishes.")
@click.option(
    "--rows",
    type=click.Choice(["lines", "words"]),
    default="lines",
    help="What a row of csv and parquet is [lines].",
)
@click.option("--layout", is_flag=True, help="Keep the layout of the page in txt.")
@click.option("--pdfa", is_flag=True, help="Make PDFs archival: PDF/A-2b.")
@options("database", "bucket", "pages", "password")
@pass_invocation
@click.pass_context
def export(
    context: click.Context,
    invocation: Invocation,
    documents: tuple[str, ...],
    everything: bool,
    form: str,
    output: Path | None,
    watch: Path | None,
    rows: Literal["lines", "words"],
    layout: bool,
    pdfa: bool,
) -> None:
    """Write what was read of each DOC to stdout, a file, or several into a folder.

    DOC is a document's number, path, file name, or the start of its SHA-256. A pdf is the
    original with its text laid over it unseen, or the scans as they are in a PDF.
    """
    from workers.services import Services

    chosen = Options(rows=rows, layout=layout, archival=pdfa)
    if watch is not None:
        if documents or everything or output:
            raise click.UsageError("--watch writes every document, into its folder.")
        _watch(invocation, watch, form, chosen)
    if bool(documents) == everything:
        raise click.UsageError("Name documents, or say --all.")
    with invocation.reading() as session, Services(invocation.settings()) as services:
        job = Export(session, form, chosen, services, say)
        _write(job, documents, output)
    say_problems(job.problems)
    context.exit(verdict(job.states["done"], len(job.problems)))


def _write(job: Export, documents: Sequence[str], output: Path | None) -> None:
    chosen = _named(job.session, documents) if documents else _all(job.session)
    alone = len(documents) == 1 and not (output and output.is_dir())
    if alone and (output is None or str(output) == "-"):
        stdout = sys.stdout.buffer
        job.write_one(chosen[0], stdout)
        stdout.flush()
    elif alone and output is not None and not (job.form.a_page_a_file and not output.suffix):
        job.write_one(chosen[0], output)
    else:
        _write_into(job, _folder(output), chosen)


def _write_into(job: Export, folder: Path, document_ids: Iterable[int]) -> None:
    written = [name for each in document_ids if (name := job.write_into(folder, each))]
    say(f"{len(written)} documents are in {folder}")


def _all(session: Session) -> Sequence[int]:
    return session.scalars(select(Document.id).order_by(Document.id)).all()


def _named(session: Session, names: Iterable[str]) -> Sequence[int]:
    return list(dict.fromkeys(find_document(session, name).id for name in names))


def _folder(output: Path | None) -> Path:
    if output is None:
        raise click.UsageError("Several documents need a folder: -o FOLDER.")
    if output.exists() and not output.is_dir():
        raise click.UsageError(f"Several documents need a folder, and {output} is a file.")
    output.mkdir(parents=True, exist_ok=True)
    return output


def _watch(invocation: Invocation, folder: Path, form: str, chosen: Options) -> NoReturn:
    """Write documents as they finish, until interrupted."""
    from workers.export_watch import ExportWatch
    from workers.services import Services

    with (
        Services(invocation.settings()) as services,
        ExportWatch(services, _folder(folder), form, chosen, say) as watch,
    ):
        say(f"Writing {form} files of finished documents into {folder}. Ctrl-C ends it.")
        while True:
            say_problems(watch.scan())
            watch.wait()
