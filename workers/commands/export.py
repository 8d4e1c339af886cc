"""`pagemill export`: what was read, as files, without reading anything again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.documents import find_document
from storage.errors import ErrorInfo
from storage.exports import jsonl, markdown, text
from storage.overview import DocumentStatus, document_status
from storage.pages import PageRecord, stream_pages
from storage.schema import Document
from workers.commands.exits import Problem, WrongUsage, say, say_problems, verdict
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.page_selection import PageSelection

Render = Callable[[Iterable[PageRecord]], Iterator[str]]
FORMATS: dict[str, Render] = {"txt": text.render, "md": markdown.render, "jsonl": jsonl.render}
"""By the ending of their files."""
_PATH = click.Path(path_type=Path)
_STEM_BYTES = 200
"""Of a file's name; with the rest it stays below the 255 bytes of most file systems."""


def _format(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if value in FORMATS:
        return value
    known = ", ".join(FORMATS)
    raise WrongUsage(f"format_unavailable: this version has no format {value!r}", f"Use {known}.")


@click.command()
@click.argument("documents", nargs=-1, metavar="DOC...")
@click.option("--all", "everything", is_flag=True, help="Every document of the database.")
@click.option(
    "--format",
    "form",
    default="txt",
    show_default=True,
    metavar="|".join(FORMATS),
    callback=_format,
)
@click.option("-o", "--output", type=_PATH, help="File, or folder for several [stdout].")
@options("database", "pages")
@pass_invocation
@click.pass_context
def export(
    context: click.Context,
    invocation: Invocation,
    documents: tuple[str, ...],
    everything: bool,
    form: str,
    output: Path | None,
) -> None:
    """Write what was read of each DOC to stdout, a file, or several into a folder.

    DOC is a document's number, path, file name, or the start of its SHA-256.
    """
    if bool(documents) == everything:
        raise click.UsageError("Name documents, or say --all.")
    with invocation.reading() as session:
        chosen = _all(session) if everything else _named(session, documents)
        job = Export(session, form, invocation.settings().page_selection)
        if len(documents) == 1 and not (output and output.is_dir()):
            job.write_one(chosen[0], output)
        else:
            job.write_into(_folder(output), chosen)
    say_problems(job.problems)
    context.exit(verdict(job.states["done"], len(job.problems)))


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


@dataclass(slots=True)
class Export:
    """Writes documents in one format and remembers what was not there to write."""

    session: Session
    form: str
    selection: PageSelection
    states: Counter[str] = field(default_factory=Counter)
    """Pages written, by state; those that are not done are written empty."""
    problems: list[Problem] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)

    def write_one(self, document_id: int, output: Path | None) -> None:
        """Write a document to a file, or to stdout."""
        pieces = self._pieces(document_status(self.session, document_id))
        if pieces is None:
            return
        if output is None or str(output) == "-":
            for piece in pieces:
                click.echo(piece, nl=False)
        else:
            _write(output, pieces)

    def write_into(self, folder: Path, document_ids: Iterable[int]) -> None:
        """Write each document to a file of its own, called as its source was."""
        for document_id in document_ids:
            status = document_status(self.session, document_id)
            pieces = self._pieces(status)
            if pieces is not None:
                _write(folder / self._name(status), pieces)
        say(f"{len(self._used)} files are in {folder}")

    def _name(self, status: DocumentStatus) -> str:
        stem = Path(status.source).stem.encode()[:_STEM_BYTES].decode(errors="ignore")
        name = f"{stem}.{self.form}"
        if name in self._used:
            name = f"{stem}-{status.document_id}.{self.form}"
        self._used.add(name)
        return name

    def _pieces(self, status: DocumentStatus) -> Iterator[str] | None:
        """The document in the format; None if it could not be opened."""
        if status.state == "failed":
            code, message = status.error_code or "unknown", status.error_message or ""
            error = ErrorInfo(code, message, status.error_advice or "")
            self.problems.append(Problem(status.source, error))
            return None
        numbers = None
        if self.selection.ranges:
            numbers = self.selection.numbers(status.file_pages or 0)
        pages = stream_pages(self.session, status.document_id, numbers)
        return FORMATS[self.form](self._noted(pages))

    def _noted(self, pages: Iterable[PageRecord]) -> Iterator[PageRecord]:
        for page in pages:
            self.states[page.state] += 1
            if page.state != "done":
                self.problems.append(_missing(page))
            yield page


def _missing(page: PageRecord) -> Problem:
    if page.error_code:
        error = ErrorInfo(page.error_code, page.error_message or "")
    else:
        error = ErrorInfo("not_read_yet", "The page is still waiting to be read.")
    return Problem(page.document.source, error, page.page_no)


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        draft.replace(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
