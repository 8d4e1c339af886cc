"""The commands that only ask the database: status, retry, quarantine, search, sql, export."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ocr_core.page import TextLine, Word, quad_of
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document, add_failed_document
from storage.errors import ErrorInfo
from storage.ledger import claim, fail, finish
from storage.results import SavedPage
from workers.cli import cli, main

Pagemill = Callable[..., Result]


@dataclass(frozen=True)
class PageNo:
    page_no: int


def _line(text: str, y: float) -> TextLine:
    words, left = [], 0.0
    for word in text.split():
        words.append(Word(word, quad_of((left, y, left + 10 * len(word), y + 20)), 0.9))
        left += 10 * (len(word) + 1)
    return TextLine(text, quad_of((0, y, left - 10, y + 20)), 0.9, tuple(words))


def _saved(texts: Sequence[str]) -> SavedPage:
    lines = [_line(text, 30.0 * number) for number, text in enumerate(texts)]
    return SavedPage(width=1000, height=1400, dpi=200, text_source="ocr", lines=lines, seconds=0.5)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A letter of two pages that is done, a scan whose second page is quarantined, and one file
    that could not be opened."""
    path = tmp_path_factory.mktemp("filled") / "pagemill.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    sessions = session_factory(engine)
    texts = {
        ("letter.pdf", 1): ["Dear Mill,", "the invoice 4711 is paid."],
        ("letter.pdf", 2): ["增值税发票 号码", "Yours"],
        ("scan.tif", 1): ["an invoice on [red] paper"],
    }
    for name in ("letter.pdf", "scan.tif"):
        with sessions.begin() as session:
            add_document(
                session,
                sha256=("a" if name == "letter.pdf" else "b") * 64,
                size=1000,
                media_type="application/pdf",
                source=SourceRef(f"file:///inbox/{name}", name, "1000:1:1"),
                pages=[PageNo(1), PageNo(2)],
                file_pages=2,
            )
    with sessions.begin() as session:
        add_failed_document(
            session,
            sha256="c" * 64,
            size=3,
            media_type=None,
            source=SourceRef("file:///inbox/broken.pdf", "broken.pdf", "3:1:1"),
            error=ErrorInfo("damaged_file", "The file is damaged.", "Save it anew."),
        )
    with sessions.begin() as session:
        leases = claim(session, worker="test", limit=10)
    for lease in leases:
        name = lease.key
        with sessions.begin() as session:
            if (name, lease.page_no) in texts:
                finish(session, lease, _saved(texts[name, lease.page_no]))
            else:
                error = ErrorInfo("page_damaged", "The page is damaged.", "Scan it again.")
                fail(session, lease, error, blame=False)
    engine.dispose()
    return path


@pytest.fixture
def url(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of the database, with nothing else in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(filled, tmp_path / "copy.db")
    return f"sqlite:///{tmp_path / 'copy.db'}"


@pytest.fixture
def pagemill(url: str) -> Pagemill:
    """Run a command on the database inside this process."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(cli, ["--database", url, *arguments], catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_status_counts_documents_and_pages_by_state(pagemill: Pagemill) -> None:
    counts = json.loads(pagemill("status", "--json").stdout)
    assert counts["documents"] == {"reading": 0, "done": 1, "partial": 1, "failed": 1}
    assert counts["pages"] == {"pending": 0, "leased": 0, "done": 3, "quarantined": 1}
    assert counts["work_left"] == {"due": 0, "later": 0, "leased": 0, "next_due": None}


def test_status_says_on_stderr_what_to_do_and_on_stdout_only_the_counts(
    pagemill: Pagemill,
) -> None:
    result = pagemill("status")
    assert result.stdout.split()[:6] == ["state", "count", "documents", "reading", "0", "documents"]
    assert "Nothing is left to do" in result.stderr
    assert "pagemill retry --failed" in result.stderr
    assert "retry" not in result.stdout


@pytest.mark.parametrize("name", ["2", "scan.tif", "/inbox/scan.tif", "bbbbbbbb"])
def test_a_document_is_named_by_number_name_path_or_hash(pagemill: Pagemill, name: str) -> None:
    facts = json.loads(pagemill("status", name, "--json").stdout)
    assert (facts["source"], facts["state"]) == ("/inbox/scan.tif", "partial")
    assert [(page["page"], page["state"], page["error"]) for page in facts["pages"]] == [
        (1, "done", None),
        (2, "quarantined", "page_damaged"),
    ]


def test_quarantine_lists_pages_and_shows_every_try(pagemill: Pagemill) -> None:
    (page,) = json.loads(pagemill("quarantine", "list", "--json").stdout)
    assert (page["document_id"], page["page_no"], page["error_code"]) == (2, 2, "page_damaged")
    shown = pagemill("quarantine", "show", "scan.tif").stdout
    assert "page_damaged: The page is damaged." in shown
    assert "Scan it again." in shown
    (shown,) = json.loads(pagemill("quarantine", "show", "2", "2", "--json").stdout)
    assert [each["outcome"] for each in shown["tries"]] == ["error"]
    assert json.loads(pagemill("quarantine", "show", "2", "1", "--json").stdout) == []


def test_a_released_page_waits_again(pagemill: Pagemill) -> None:
    result = pagemill("quarantine", "release", "2", "2")
    assert "1 pages wait again" in result.stderr
    assert json.loads(pagemill("status", "--json").stdout)["work_left"]["due"] == 1
    assert json.loads(pagemill("quarantine", "list", "--json").stdout) == []


def test_release_and_retry_must_be_told_what(url: str) -> None:
    for command in (
        "quarantine release",
        "quarantine release 2 --all",
        "retry",
        "retry 2 --failed",
    ):
        assert main(["--database", url, *command.split()]) == 1


def test_retry_of_a_document_lets_its_quarantined_pages_wait(pagemill: Pagemill) -> None:
    assert "1 pages wait again" in pagemill("retry", "scan.tif").stderr
    assert json.loads(pagemill("status", "--json").stdout)["pages"]["pending"] == 1


def test_search_finds_two_chinese_characters_with_page_and_box(pagemill: Pagemill) -> None:
    (hit,) = json.loads(pagemill("search", "发票", "--json").stdout)
    assert (hit["source"], hit["page_no"], hit["line_no"]) == ("/inbox/letter.pdf", 2, 1)
    assert hit["snippet"] == "增值税[发票] 号码"
    assert hit["box"] == [0, 0, 80, 20]
    assert hit["polygon"] == [[0, 0], [80, 0], [80, 20], [0, 20]]


def test_search_looks_in_one_document_and_stops_at_the_limit(pagemill: Pagemill) -> None:
    def found(*more: str) -> list[int]:
        hits = json.loads(pagemill("search", "invoice", "--json", *more).stdout)
        return sorted(hit["document_id"] for hit in hits)

    assert found() == [1, 2]
    assert found("--document", "scan.tif") == [2]
    assert len(found("--limit", "1")) == 1


def test_search_prints_one_line_a_hit_and_takes_no_text_for_markup(pagemill: Pagemill) -> None:
    lines = pagemill("search", "paper").stdout.splitlines()
    assert lines[0].split() == ["document", "page", "box", "text", "source"]
    assert lines[1].split(maxsplit=3)[:3] == ["2", "1", "0,0,250,20"]
    assert "an invoice on [red] [paper]" in lines[1]


def test_search_without_a_hit_says_so_on_stderr(pagemill: Pagemill) -> None:
    result = pagemill("search", "nowhere")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing found" in result.stderr


def test_sql_answers_as_table_json_and_csv(pagemill: Pagemill) -> None:
    statement = "SELECT page_no, text FROM v_lines WHERE document_id = 1 ORDER BY page_no, line_no"
    table = pagemill("sql", statement).stdout.splitlines()
    assert [line.split(maxsplit=1) for line in table[:2]] == [
        ["page_no", "text"],
        ["1", "Dear Mill,"],
    ]
    rows = json.loads(pagemill("sql", statement, "--json").stdout)
    assert rows[2] == {"page_no": 2, "text": "增值税发票 号码"}
    assert list(csv.reader(io.StringIO(pagemill("sql", statement, "--csv").stdout)))[:2] == [
        ["page_no", "text"],
        ["1", "Dear Mill,"],
    ]


def test_an_empty_answer_is_an_empty_json_array(pagemill: Pagemill) -> None:
    assert pagemill("sql", "SELECT 1 WHERE 0", "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM lines",
        "DROP TABLE lines",
        "SELECT 1; SELECT 2",
        "PRAGMA journal_mode = DELETE",
        "ATTACH 'x.db' AS x",
        "SELECT nothing FROM nowhere",
        "",
    ],
)
def test_sql_that_does_not_read_is_wrong_usage_and_changes_nothing(
    url: str, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("copy.db").read_bytes()
    assert main(["sql", statement, "--database", url]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("pagemill: ")
    assert Path("copy.db").read_bytes() == before


def test_sql_is_given_up_after_its_time(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    assert main(["sql", endless, "--timeout", "0.2", "--database", url]) == 1
    assert "time limit" in capsys.readouterr().err


def test_export_of_one_document_goes_to_stdout(pagemill: Pagemill) -> None:
    result = pagemill("export", "letter.pdf")
    assert result.exit_code == 0
    assert result.stdout == "Dear Mill,\nthe invoice 4711 is paid.\n\f增值税发票 号码\nYours\n"


def test_export_takes_pages_and_formats(pagemill: Pagemill) -> None:
    (line,) = pagemill("export", "1", "--format", "jsonl", "--pages", "2").stdout.splitlines()
    assert json.loads(line)["page"] == 2
    assert "page 2" in pagemill("export", "1", "--format", "md").stdout


def test_an_incomplete_document_is_exported_and_its_missing_page_listed(
    pagemill: Pagemill,
) -> None:
    result = pagemill("export", "scan.tif", "-o", "out.txt")
    assert Path("out.txt").read_text(encoding="utf-8") == "an invoice on [red] paper\n\f"
    assert result.exit_code == 2
    assert "/inbox/scan.tif page 2: page_damaged" in result.stderr


def test_export_of_all_makes_a_file_for_each_document_that_was_opened(pagemill: Pagemill) -> None:
    result = pagemill("export", "--all", "-o", "out/texts", "--format", "md")
    assert sorted(path.name for path in Path("out/texts").iterdir()) == ["letter.md", "scan.md"]
    assert result.exit_code == 2
    assert "/inbox/broken.pdf: damaged_file" in result.stderr


def test_export_of_what_was_never_read_ends_with_4_and_writes_nothing(pagemill: Pagemill) -> None:
    result = pagemill("export", "broken.pdf", "-o", "broken.txt")
    assert result.exit_code == 4
    assert not Path("broken.txt").exists()


def test_formats_there_are_not_are_refused_by_name(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "1", "--format", "docx", "--database", url]) == 1
    assert "format_unavailable" in capsys.readouterr().err
    assert "docx" not in CliRunner().invoke(cli, ["export", "--help"]).stdout


def test_export_says_where_it_cannot_write(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "1", "-o", "no/such/folder.txt", "--database", url]) == 1
    assert "no/such/folder.txt" in capsys.readouterr().err
    assert main(["export", "1", "2", "--database", url]) == 1
    assert "-o FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["status 99", "export 99", "search x --document 99", "retry 99"]
)
def test_an_unknown_document_is_wrong_usage(
    url: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--database", url]) == 1
    assert "99" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["status", "search x", "sql 'SELECT 1'", "export 1", "retry --failed", "quarantine list"],
)
def test_a_missing_database_ends_with_3_and_is_not_made(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 3
    assert "--database" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.db"
    other.write_text("this is no database, but long enough to look like one " * 100)
    assert main(["status", "--database", f"sqlite:///{other}"]) == 3
    assert capsys.readouterr().err.startswith("pagemill: ")


@pytest.mark.parametrize("command", ["status", "quarantine list", "search x", "retry 2"])
def test_questions_to_the_database_load_nothing_that_is_slow(url: str, command: str) -> None:
    program = (
        "import sys; from workers.cli import main; main(sys.argv[1:]);"
        "slow = {'torch', 'openvino', 'onnxruntime', 'cv2', 'celery', 'pymupdf'};"
        "print('LOADED', sorted(slow & sys.modules.keys()))"
    )
    arguments = [sys.executable, "-c", program, *command.split(), "--database", url]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_a_reader_that_has_seen_enough_is_no_error(url: str) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000)"
    script = Path(sys.executable).with_name("pagemill")
    with subprocess.Popen(
        [script, "sql", f"{numbers} SELECT i FROM n", "--csv", "--database", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"i\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
