import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from ocr_core.page import TextLine, Word, quad_of
from storage.database import migrate, open_database, session_factory
from storage.documents import SourceRef, add_document
from storage.results import SavedPage

Sessions = sessionmaker[Session]


@dataclass(frozen=True)
class PageNo:
    page_no: int


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_file: Path) -> str:
    path = tmp_path / "pagemill.db"
    shutil.copyfile(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database; every test that asks for one runs on both kinds."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return session_factory(engine)


@pytest.fixture
def intact() -> Callable[[Session], None]:
    """Let the database say that its tables and indexes agree."""

    def intact(session: Session) -> None:
        if session.get_bind().dialect.name == "sqlite":
            check = "INSERT INTO page_search(page_search) VALUES ('integrity-check')"
            session.execute(text(check))
            assert session.scalars(text("PRAGMA integrity_check")).all() == ["ok"]
            return
        session.execute(text("CREATE EXTENSION IF NOT EXISTS amcheck"))
        session.execute(
            text(
                "SELECT CASE amname WHEN 'btree' THEN bt_index_check(i.oid, true)"
                "                   WHEN 'gin' THEN gin_index_check(i.oid) END"
                "  FROM pg_class i JOIN pg_am ON pg_am.oid = relam"
                " WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace"
            )
        )

    return intact


@pytest.fixture
def make_line() -> Callable[..., TextLine]:
    """A line whose characters are 10 x 20 pixels."""

    def make_line(
        text: str,
        *,
        x: float = 0,
        y: float = 0,
        height: float = 20,
        width: float | None = None,
        confidence: float = 0.9,
        source: str = "ocr",
        block: int = 0,
    ) -> TextLine:
        words, left = [], x
        for word in text.split():
            box = (left, y, left + 10 * len(word), y + height)
            words.append(Word(word, quad_of(box), confidence))
            left += 10 * (len(word) + 1)
        quad = quad_of((x, y, x + (width or 10 * len(text)), y + height))
        return TextLine(text, quad, confidence, tuple(words), source, block)  # type: ignore[arg-type]

    return make_line


@pytest.fixture
def make_page(make_line: Callable[..., TextLine]) -> Callable[..., SavedPage]:
    """A read page with these lines, one below the other."""

    def make_page(*texts: str, run_id: int | None = None, source: str = "ocr") -> SavedPage:
        lines = [make_line(text, y=30 * n, source=source) for n, text in enumerate(texts)]
        return SavedPage(
            width=1000,
            height=1400,
            dpi=200.0,
            text_source=source,  # type: ignore[arg-type]
            lines=lines,
            verdict="none",
            seconds=0.5,
            stage_seconds={"detect": 0.2, "recognise": 0.3},
            image_sha256="c" * 64,
            run_id=run_id,
        )

    return make_page


@pytest.fixture
def add(sessions: Sessions) -> Callable[..., int]:
    """Take in a document: by default its content is made of its name."""

    def add(
        name: str = "a.pdf",
        pages: int | Sequence[int] = 1,
        *,
        content: str = "",
        file_pages: int | None = None,
        lane: str = "normal",
        queue: str = "cpu",
    ) -> int:
        chosen = range(1, pages + 1) if isinstance(pages, int) else pages
        with sessions.begin() as session:
            return add_document(
                session,
                sha256=hashlib.sha256((content or name).encode()).hexdigest(),
                size=1000,
                media_type="application/pdf",
                source=SourceRef(f"file:///inbox/{name}", name, "1000:1:1"),
                pages=[PageNo(number) for number in chosen],
                file_pages=file_pages or max(chosen),
                lane=lane,
                queue=queue,
            )

    return add


@pytest.fixture
def store(sessions: Sessions, make_page: Callable[..., SavedPage]) -> Callable[..., None]:
    """Read every waiting page; `texts[page_no - 1]` are the lines of each page."""
    from storage import ledger

    def store(*texts: Sequence[str]) -> None:
        with sessions.begin() as session:
            for lease in ledger.claim(session, worker="w", limit=1000):
                ledger.finish(session, lease, make_page(*texts[lease.page_no - 1]))

    return store
