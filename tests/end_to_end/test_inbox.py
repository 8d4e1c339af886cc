"""The sample documents, from the folder through the database to what people ask of it."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
TRUTH = sorted((DATA / "truth").glob("*.json"))
PAGES = [
    (told["file"], page["page"], page["text"])
    for told in (json.loads(path.read_text(encoding="utf-8")) for path in TRUTH)
    for page in told["pages"]
]


def pagemill(folder: Path, *arguments: str) -> str:
    """Run the command in a folder; what it says on stdout. It must end well."""
    program = "import sys; from workers.cli import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the samples were read."""
    folder = tmp_path_factory.mktemp("read")
    pagemill(folder, "run", str(DATA / "inbox"), "-j", "2")
    return folder


@pytest.fixture(scope="module")
def texts(folder: Path) -> dict[tuple[str, int], str]:
    """The text of each page, by file name and page number, as SQL gives it."""
    question = "SELECT source, page_no, text FROM v_pages JOIN v_documents USING (document_id)"
    rows = json.loads(pagemill(folder, "sql", question, "--json"))
    return {(Path(row["source"]).name, row["page_no"]): row["text"] for row in rows}


def units(text: str) -> Counter[str]:
    """Words; of Chinese, characters."""
    words = (word.strip(".,:;!?()\"'“”‘’").casefold() for word in text.split())
    parts = (list(word) if any(ord(c) >= 0x2E80 for c in word) else [word] for word in words)
    return Counter(unit for part in parts for unit in part if unit.isalnum())


def test_every_page_of_every_document_is_there(texts: dict[tuple[str, int], str]) -> None:
    assert set(texts) == {(name, page) for name, page, _ in PAGES}


@pytest.mark.parametrize(("name", "page", "truth"), PAGES, ids=[f"{p[0]}-{p[1]}" for p in PAGES])
def test_the_words_of_a_page_are_read(
    texts: dict[tuple[str, int], str], name: str, page: int, truth: str
) -> None:
    wanted, read = units(truth), units(texts[name, page])
    missing = wanted - read
    assert missing.total() <= 0.1 * wanted.total(), f"missing: {dict(missing)}"


def test_a_document_comes_out_as_the_file_that_went_in(folder: Path) -> None:
    told = {name: text for name, page, text in PAGES if page == 1}
    exported = pagemill(folder, "export", "letter.pdf", "--format", "txt")
    assert " ".join(exported.split()) == " ".join(told["letter.pdf"].split())


@pytest.mark.parametrize(("query", "name"), [("scanner", "mixed.pdf"), ("图书馆", "notice-zh.png")])
def test_search_finds_the_page_and_the_place_on_it(folder: Path, query: str, name: str) -> None:
    hits = json.loads(pagemill(folder, "search", query, "--json"))
    found = [hit for hit in hits if Path(hit["source"]).name == name]
    assert found
    x0, y0, x1, y1 = found[0]["box"]
    assert x0 < x1
    assert y0 < y1


def test_the_same_command_again_has_nothing_to_do(folder: Path) -> None:
    def attempts() -> str:
        return pagemill(folder, "sql", "SELECT count(*), max(id) FROM attempts", "--json")

    before = attempts()
    pagemill(folder, "run", str(DATA / "inbox"), "-j", "1")
    assert attempts() == before
