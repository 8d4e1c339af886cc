"""What a process works with, built on first use: after the fork, and only if it is needed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from ingest.sandbox import Sandbox
from workers.identity import worker_name
from workers.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session, sessionmaker

    from ingest.spool import Spool
    from ocr_core.reader import Reader


class Services:
    """Database, spool, sandbox and reader of one process; close it, or use it in a `with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        """Set when the work should end at the next border of a page."""
        self.run_ids: dict[bool, int] = {}
        """Rows of `runs` this process has written, for pages read with the networks or without."""

    @cached_property
    def worker(self) -> str:
        """The name leases are signed with."""
        return worker_name()

    @cached_property
    def session(self) -> sessionmaker[Session]:
        """Writing sessions, at the newest schema: `with services.session.begin() as session`.

        They hold the write lock of an SQLite database from beginning to end: keep them short.
        """
        from storage.database import migrate, session_factory

        migrate(self._engine)
        return session_factory(self._engine)

    @cached_property
    def reading(self) -> sessionmaker[Session]:
        """Sessions that only read, each one snapshot; they wait for nobody."""
        from storage.database import session_factory

        if not self.session:  # its first use creates the tables
            raise AssertionError
        return session_factory(self._reading_engine)

    @cached_property
    def sandbox(self) -> Sandbox:
        """The only door to foreign bytes; one request at a time, and always through `renderer`."""
        return Sandbox(self.settings.limits)

    @cached_property
    def renderer(self) -> ThreadPoolExecutor:
        """The one thread that talks to the sandbox, so that a page is drawn while one is read."""
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="render")

    @cached_property
    def spool(self) -> Spool:
        """Local copies of documents."""
        from ingest.spool import Spool

        settings = self.settings
        return Spool(settings.spool_dir, settings.spool_bytes, max_file_bytes=settings.max_bytes)

    @cached_property
    def reader(self) -> Reader:
        """The OCR networks; opening them takes a second and raises ModelMissing and the like."""
        from ocr_core.reader import Reader, ReaderOptions

        settings = self.settings
        return Reader.open(
            ReaderOptions(
                detector=settings.detector,
                recognizer=settings.recognizer,
                line_orientation=settings.line_orientation,
                engine=settings.engine,
                device=settings.device,
                precision=settings.precision,
                threads=settings.threads,
            )
        )

    def checkpoint(self) -> None:
        """Make the database file whole, for people who copy it when a job is done."""
        from storage.database import checkpoint

        checkpoint(self._engine)

    def forget_reader(self) -> None:
        """Give up networks whose engine has failed; the next page opens them anew."""
        self.__dict__.pop("reader", None)

    @cached_property
    def _engine(self) -> Engine:
        from storage.database import open_database

        return open_database(self.settings.database_url)

    @cached_property
    def _reading_engine(self) -> Engine:
        from storage.database import open_database

        return open_database(self.settings.database_url, readonly=True)

    def close(self) -> None:
        """End the sandbox and close the database; what is used again is built again."""
        parts = self.__dict__
        if renderer := parts.pop("renderer", None):
            renderer.shutdown(cancel_futures=True)
        if sandbox := parts.pop("sandbox", None):
            sandbox.close()
        for engine in (parts.pop("_engine", None), parts.pop("_reading_engine", None)):
            if engine is not None:
                engine.dispose()
        for name in ("session", "reading", "spool", "reader"):
            parts.pop(name, None)

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
