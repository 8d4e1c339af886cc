"""The only door to foreign bytes: a zygote that forks one limited child for each document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from ingest.content import DocumentFacts, Mode, PageContent, PageFacts, Verdict
from ingest.media import Limits

__all__ = ["DocumentFacts", "Mode", "PageContent", "PageFacts", "Sandbox", "Verdict"]


class Sandbox:
    """Reads documents in a child process that may die without harm.

    Nothing is started before the first request, so a Sandbox may be made before a fork and used
    after it. One request at a time; make several for several threads. Consecutive pages of one
    document are served by one child, which keeps the document open.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def split(self, path: Path, passwords: Sequence[str] = ()) -> DocumentFacts:
        """Open a document and say what it is; raises IngestError, of which DocumentRefused."""
        raise NotImplementedError

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
        raise NotImplementedError

    def close(self) -> None:
        """End the zygote and with it every child."""

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
