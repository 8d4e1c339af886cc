"""`pagemill export` of real files whose reading is written into the database by hand."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pikepdf
import pymupdf
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sqlalchemy import Engine

from ocr_core.page import TextLine, Word, quad_of
from storage.buckets import FolderBucket
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document
from storage.errors import ErrorInfo
from storage.ledger import claim, fail, finish
from storage.results import SavedPage
from storage.schema import Document
from storage.times import utc_now
from workers.cli import cli, main
from workers.export_forms import FORMS, Options
from workers.export_watch import INDEX, ExportWatch
from workers.services import Services
from workers.settings import Settings

Pagemill = Callable[..., Result]
TEXTS = ("Received 4711 crates", "of 增值税发票 paper")


@dataclass(frozen=True)
class PageNo:
    page_no: int


def _line(text: str, y: float) -> TextLine:
    words, left = [], 60.0
    for word in text.split():
        words.append(Word(word, quad_of((left, y, left + 14 * len(word), y + 20)), 0.9))
        left += 14 * len(word) + 10
    return TextLine(text, quad_of((60, y, left - 10, y + 20)), 0.9, tuple(words))


def _saved() -> SavedPage:
    lines = [_line(text, 60.0 + 40 * number) for number, text in enumerate(TEXTS)]
    return SavedPage(width=600, height=800, dpi=72, text_source="ocr", lines=lines, seconds=0.5)


class Inbox:
    """A folder of scans and the database of what was read of them."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "inbox"
        self.folder.mkdir()
        self.url = f"sqlite:///{root / 'pagemill.db'}"
        self.engine: Engine = open_database(self.url)
        migrate(self.engine)
        self.sessions = session_factory(self.engine)

    def pdf(self, name: str, pages: int = 1) -> Path:
        """A scan: pages with a grey square."""
        with pymupdf.open() as document:
            for _ in range(pages):
                page = document.new_page(width=600, height=800)
                page.draw_rect((50, 50, 300, 150), fill=(0.8, 0.8, 0.8))
            document.save(self.folder / name)
        return self.folder / name

    def jpeg(self, name: str) -> Path:
        Image.new("L", (600, 800), 200).save(self.folder / name)
        return self.folder / name

    def add(self, path: Path, media_type: str = "application/pdf", pages: int = 1) -> int:
        """Take a file in, unread."""
        found = next(FolderBucket.of_file(path).list())
        with self.sessions.begin() as session:
            return add_document(
                session,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                size=found.size,
                media_type=media_type,
                source=SourceRef(found.uri, found.key, found.version),
                pages=[PageNo(number) for number in range(1, pages + 1)],
                file_pages=pages,
            )

    def read(self, pages: int = 100) -> None:
        """Read so many waiting pages."""
        with self.sessions.begin() as session:
            leases = claim(session, worker="w", limit=pages)
        for lease in leases:
            with self.sessions.begin() as session:
                finish(session, lease, _saved())

    def give_up(self) -> None:
        """Quarantine a waiting page."""
        with self.sessions.begin() as session:
            (lease,) = claim(session, worker="w", limit=1)
        with self.sessions.begin() as session:
            fail(session, lease, ErrorInfo("page_damaged", "It is damaged."), blame=False)

    def finished_again(self, document_id: int) -> None:
        """As after reading more of its pages."""
        with self.sessions.begin() as session:
            session.get_one(Document, document_id).finished_at = utc_now()


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    monkeypatch.chdir(tmp_path)
    inbox = Inbox(tmp_path)
    yield inbox
    inbox.engine.dispose()


@pytest.fixture
def pagemill(inbox: Inbox) -> Pagemill:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--database", inbox.url, *arguments])

    return run


def words_of(path: Path, page: int = 0) -> list[str]:
    with pymupdf.open(path) as document:
        return str(document[page].get_text()).split()


WORDS = " ".join(TEXTS).split()


def test_a_pdf_is_the_original_with_its_text_over_it(inbox: Inbox, pagemill: Pagemill) -> None:
    source = inbox.pdf("scan.pdf", pages=2)
    inbox.add(source, pages=2)
    inbox.read()
    assert pagemill("export", "scan.pdf", "--format", "pdf", "-o", "out.pdf").exit_code == 0
    assert Path("out.pdf").read_bytes().startswith(source.read_bytes())
    assert [words_of(Path("out.pdf"), page) for page in (0, 1)] == [WORDS, WORDS]


def test_scans_become_a_pdf_with_the_picture_as_it_is(inbox: Inbox, pagemill: Pagemill) -> None:
    source = inbox.jpeg("scan.jpg")
    inbox.add(source, "image/jpeg")
    inbox.read()
    assert pagemill("export", "1", "--format", "pdf", "-o", "out.pdf").exit_code == 0
    assert source.read_bytes() in Path("out.pdf").read_bytes()
    assert words_of(Path("out.pdf")) == WORDS


def test_a_pdf_goes_to_stdout_byte_by_byte(inbox: Inbox, pagemill: Pagemill) -> None:
    source = inbox.pdf("scan.pdf")
    inbox.add(source)
    inbox.read()
    result = pagemill("export", "1", "--format", "pdf")
    assert result.stdout_bytes.startswith(source.read_bytes())
    with pikepdf.open(io.BytesIO(result.stdout_bytes)) as pdf:
        assert pdf.check_pdf_syntax() == []


def test_an_original_is_never_overwritten(inbox: Inbox, pagemill: Pagemill) -> None:
    before = {}
    for name in ("a.pdf", "b.pdf"):
        path = inbox.pdf(name, pages=len(before) + 1)
        before[path] = path.read_bytes()
        inbox.add(path, pages=len(before))
    inbox.read()
    assert pagemill("export", "1", "--format", "pdf", "-o", "inbox/b.pdf").exit_code == 1
    assert pagemill("export", "--all", "--format", "pdf", "-o", "inbox").exit_code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in inbox.folder.iterdir()) == [
        *("a-1.pdf", "a.pdf", "b-2.pdf", "b.pdf")
    ]


def test_an_original_that_is_gone_is_a_problem_of_its_document_alone(
    inbox: Inbox, pagemill: Pagemill
) -> None:
    gone = inbox.pdf("gone.pdf")
    inbox.add(gone)
    inbox.add(inbox.pdf("here.pdf", pages=2), pages=2)
    inbox.read()
    gone.unlink()
    result = pagemill("export", "--all", "--format", "pdf", "-o", "out")
    assert result.exit_code == 2
    assert "source_missing" in result.stderr
    assert [path.name for path in Path("out").iterdir()] == ["here.pdf"]


def test_a_signed_pdf_is_said_to_be_signed(inbox: Inbox, pagemill: Pagemill) -> None:
    source = inbox.pdf("signed.pdf")
    with pikepdf.open(source, allow_overwriting_input=True) as pdf:
        signature = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Sig))
        field = pikepdf.Dictionary(FT=pikepdf.Name.Sig, T=pikepdf.String("s"), V=signature)
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[pdf.make_indirect(field)], SigFlags=3)
        pdf.save(source)
    inbox.add(source)
    inbox.read()
    result = pagemill("export", "1", "--format", "pdf", "-o", "out.pdf")
    assert (result.exit_code, "signed" in result.stderr) == (0, True)
    assert Path("out.pdf").read_bytes().startswith(source.read_bytes())


def test_a_pdf_with_a_page_given_up_has_the_text_of_the_others(
    inbox: Inbox, pagemill: Pagemill
) -> None:
    inbox.add(inbox.pdf("scan.pdf", pages=2), pages=2)
    inbox.give_up()
    inbox.read()
    result = pagemill("export", "1", "--format", "pdf", "-o", "out.pdf")
    assert (result.exit_code, "page 1: page_damaged" in result.stderr) == (2, True)
    assert (words_of(Path("out.pdf"), 0), words_of(Path("out.pdf"), 1)) == ([], WORDS)


def test_page_xml_is_a_file_for_each_page(inbox: Inbox, pagemill: Pagemill) -> None:
    inbox.add(inbox.pdf("scan.pdf", pages=2), pages=2)
    inbox.read()
    refused = pagemill("export", "1", "--format", "page", "-o", "out.xml")
    assert (refused.exit_code, "folder" in refused.output) == (1, True)
    assert pagemill("export", "1", "--format", "page", "-o", "out").exit_code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "scan-0001.page.xml",
        "scan-0002.page.xml",
    ]
    one = pagemill("export", "1", "--format", "page", "--pages", "2")
    assert "{number:2;}" in one.stdout


def test_tables_are_of_lines_or_of_words(inbox: Inbox, pagemill: Pagemill) -> None:
    inbox.add(inbox.pdf("scan.pdf"))
    inbox.read()
    (_, *lines) = csv.reader(io.StringIO(pagemill("export", "1", "--format", "csv").stdout))
    assert [line[5] for line in lines] == list(TEXTS)
    pagemill("export", "1", "--format", "parquet", "--rows", "words", "-o", "words.parquet")
    found = duckdb.connect().sql("SELECT text FROM 'words.parquet' ORDER BY line_no, word_no")
    assert [text for (text,) in found.fetchall()] == WORDS


@pytest.mark.parametrize("form", FORMS)
def test_every_form_writes_a_file(inbox: Inbox, pagemill: Pagemill, form: str) -> None:
    inbox.add(inbox.pdf("scan.pdf"))
    inbox.read()
    assert pagemill("export", "--all", "--format", form, "-o", "out").exit_code == 0
    (written,) = Path("out").iterdir()
    assert written.stat().st_size > 30
    assert written.name.endswith(FORMS[form].ending)


# Watching


@pytest.fixture
def watch(inbox: Inbox, tmp_path: Path) -> Iterator[Callable[[], ExportWatch]]:
    opened: list[ExportWatch] = []
    folder = tmp_path / "out"
    folder.mkdir()
    services = Services(Settings(database_url=inbox.url, cache_dir=tmp_path / "cache"))

    def start() -> ExportWatch:
        opened.append(ExportWatch(services, folder, "txt", Options(), lambda _: None))
        return opened[-1]

    yield start
    for each in opened:
        each.__exit__(None, None, None)
    services.close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != INDEX)


def test_documents_are_written_when_they_finish_and_only_once(
    inbox: Inbox, watch: Callable[[], ExportWatch], tmp_path: Path
) -> None:
    out, watching = tmp_path / "out", watch()
    inbox.add(inbox.pdf("long.pdf", pages=2), pages=2)
    inbox.read(1)
    assert (watching.scan(), files(out)) == ([], [])
    inbox.read()
    watching.scan()
    assert files(out) == ["long.txt"]
    (out / "long.txt").unlink()
    watching.scan()
    watch().scan()  # as after a start of the command
    assert files(out) == []


def test_a_document_that_finishes_again_is_written_again_into_its_file(
    inbox: Inbox, watch: Callable[[], ExportWatch], tmp_path: Path
) -> None:
    number, watching = inbox.add(inbox.pdf("a.pdf")), watch()
    inbox.read()
    watching.scan()
    (tmp_path / "out" / "a.txt").write_text("old")
    inbox.finished_again(number)
    watching.scan()
    assert (tmp_path / "out" / "a.txt").read_text().startswith(TEXTS[0])
    assert files(tmp_path / "out") == ["a.txt"]


def test_two_documents_of_one_name_have_two_files(
    inbox: Inbox, watch: Callable[[], ExportWatch], tmp_path: Path
) -> None:
    inbox.add(inbox.pdf("a.pdf"))
    (inbox.folder / "b").mkdir()
    inbox.add(inbox.pdf("b/a.pdf", pages=2), pages=2)
    inbox.read()
    watch().scan()
    assert files(tmp_path / "out") == ["a-2.txt", "a.txt"]


def test_a_line_of_the_index_that_a_crash_tore_is_passed_over(
    inbox: Inbox, watch: Callable[[], ExportWatch], tmp_path: Path
) -> None:
    inbox.add(inbox.pdf("a.pdf"))
    inbox.read()
    watch().scan()
    index = tmp_path / "out" / INDEX
    (form, number, name, _) = json.loads(index.read_text())
    assert (form, number, name) == ("txt", 1, "a.txt")
    index.write_text(index.read_text()[:-9])
    (tmp_path / "out" / "a.txt").unlink()
    watch().scan()
    watch().scan()
    assert files(tmp_path / "out") == ["a.txt"]
    assert json.loads(index.read_text().splitlines()[-1])[1:3] == [1, "a.txt"]


def test_the_command_watches_until_it_is_interrupted(inbox: Inbox, tmp_path: Path) -> None:
    inbox.add(inbox.pdf("a.pdf"))
    inbox.read()
    program = "import sys; from workers.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "--database", inbox.url, "export", "--watch", "out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as process:
        try:
            wait_for(lambda: (tmp_path / "out" / "a.txt").exists())
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_watching_writes_everything_so_no_document_is_named(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "1", "--watch", "out", "--database", inbox.url]) == 1
    assert "--watch" in capsys.readouterr().err
