"""The only door to foreign bytes: a zygote that forks one limited child for each document.

A child keeps its document open for a number of requests, since opening a long PDF anew for each
page costs more than drawing it. It is replaced when another document is asked for.
"""

from __future__ import annotations

import os
import stat
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ingest import wire
from ingest.content import DocumentFacts, Mode, PageContent, PageFacts, Verdict
from ingest.errors import (
    EmptyFile,
    SandboxDied,
    SandboxUnavailable,
    SourceMissing,
    TimeLimit,
    TooLarge,
    UnreadableSource,
)
from ingest.media import Limits
from ingest.offspring import ChildGone, Offspring, ZygoteGone, ZygoteHandle
from ingest.zygote import Birth

__all__ = ["DocumentFacts", "Mode", "PageContent", "PageFacts", "Sandbox", "Verdict"]

REQUESTS_A_CHILD = 64
_TRIES = 4
"""Of one request: a child that served others before, one that went idle, a zygote that died."""
_Key = tuple[str, tuple[str, ...], tuple[int, ...]]


class Sandbox:
    """Reads documents in a child process that may die without harm.

    Nothing is started before the first request, so a Sandbox may be made before a fork and used
    after it. One request at a time; make several for several threads.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._zygote: ZygoteHandle | None = None
        self._child: Offspring | None = None
        self._key: _Key | None = None
        _living.add(self)

    def split(self, path: Path, passwords: Sequence[str] = ()) -> DocumentFacts:
        """Open a document and say what it is; raises IngestError, of which DocumentRefused."""
        with self._lock:
            _, answer = self._ask(path, passwords, {})
            return wire.checked_facts(answer, self.limits)

    def page(
        self,
        path: Path,
        page_no: int,
        *,
        passwords: Sequence[str] = (),
        mode: Mode = "auto",
        dpi: float | None = None,
    ) -> PageContent:
        """One page, from 1, drawn and with its text layer judged; raises IngestError.

        `dpi` overrides the resolution that is chosen for the page (see ingest.render).
        """
        request = {"page_no": page_no, "mode": mode, "dpi": dpi}
        with self._lock:
            child, answer = self._ask(path, passwords, request)
            return wire.checked_page(answer, child.memory, page_no)

    def bear(
        self, path: Path, passwords: Sequence[str], limits: Limits, *, requests: int
    ) -> Offspring:
        """Bear a child for a longer conversation about a document; whoever asked closes it."""
        with self._lock:
            name, known, _ = self._key_of(path, passwords)
            birth = Birth(path=name, passwords=known, limits=limits, requests=requests)
            try:
                return self._mother().bear(birth)
            except ZygoteGone:
                self._drop_child()
                self._drop_zygote()
                return self._mother().bear(birth)

    def close(self) -> None:
        """End the zygote and with it every child; the next request starts another."""
        with self._lock:
            self._drop_child()
            self._drop_zygote()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self, path: Path, passwords: Sequence[str], request: Mapping[str, Any]
    ) -> tuple[Offspring, wire.Answer]:
        key = self._key_of(path, passwords)
        for _ in range(_TRIES):
            served_others = False
            try:
                child = self._child_for(key)
                served_others = child.answered > 0
                return child, child.ask(request)
            except ChildGone:
                self._drop_child()
            except ZygoteGone:
                self._drop_child()
                self._drop_zygote()
            except SandboxDied as death:
                self._drop_child()
                # What earlier pages left in memory is not this page's fault: it gets a new child.
                # Time is counted for each request alone.
                if isinstance(death, TimeLimit) or not served_others:
                    raise
        raise SandboxUnavailable("it ended again and again")

    def _child_for(self, key: _Key) -> Offspring:
        if self._child and self._key == key and self._child.answered < REQUESTS_A_CHILD:
            return self._child
        self._drop_child()
        name, passwords, _ = key
        birth = Birth(path=name, passwords=passwords, limits=self.limits, requests=REQUESTS_A_CHILD)
        self._child, self._key = self._mother().bear(birth), key
        return self._child

    def _mother(self) -> ZygoteHandle:
        if self._zygote is None:
            self._zygote = ZygoteHandle()
        return self._zygote

    def _key_of(self, path: Path, passwords: Sequence[str]) -> _Key:
        """What a document is known by; raises what can be told without opening it."""
        try:
            facts = path.stat()
        except FileNotFoundError:
            raise SourceMissing(path.name) from None
        except OSError as error:
            raise UnreadableSource(f"{path.name}: {error.strerror}") from None
        if not stat.S_ISREG(facts.st_mode) or not os.access(path, os.R_OK):
            raise UnreadableSource(f"{path.name} is not a file that can be read")
        if facts.st_size == 0:
            raise EmptyFile
        if facts.st_size > self.limits.max_bytes:
            raise TooLarge(f"{facts.st_size:,} bytes, at most {self.limits.max_bytes:,}")
        version = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        return str(path.absolute()), tuple(passwords), version

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None

    def _drop_zygote(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
        self._zygote = None

    def _leave_to_parent(self) -> None:
        """In a forked process: the zygote stays the parent's; hold none of its descriptors."""
        self._lock = threading.Lock()
        self._drop_child()
        if self._zygote is not None:
            self._zygote.forget()
        self._zygote = None


_living: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for sandbox in list(_living):
        sandbox._leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
