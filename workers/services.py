"""What a process works with, built on first use: after the fork, and only if it is needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session, sessionmaker

from workers.settings import Settings

if TYPE_CHECKING:
    from ingest.spool import Spool
    from ocr_core.reader import Reader

    from ingest.sandbox import Sandbox


class Services:
    """Database, spool, sandbox and reader of one process; close it, or use it in a `with`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def session(self) -> sessionmaker[Session]:
        """Sessions on the database, at the newest schema: `with services.session.begin()`."""
        raise NotImplementedError

    @cached_property
    def sandbox(self) -> Sandbox:
        """The only door to foreign bytes; one request at a time."""
        raise NotImplementedError

    @cached_property
    def spool(self) -> Spool:
        """Local copies of documents."""
        raise NotImplementedError

    @cached_property
    def reader(self) -> Reader:
        """The OCR networks; opening them takes a second and raises ModelMissing and the like."""
        raise NotImplementedError

    def close(self) -> None:
        """End the sandbox and close the database."""

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
