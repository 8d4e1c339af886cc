"""Why a document or a page is refused.

    IngestError
    ├── DocumentRefused       the file itself: no retry can cure it
    │   ├── EmptyFile, UnsupportedType, DamagedFile, NoPages
    │   ├── PasswordNeeded, EncryptionUnsupported
    │   ├── TooLarge, TooManyPages, TooManyPixels
    │   └── CertifiedPdf, NotArchivable     it cannot be exported so; it can be read
    ├── PageRefused           one page of a good file
    │   └── PageMissing, PageDamaged
    ├── SandboxDied           the limited child died on this input: the input is blamed
    │   └── OutOfMemory, TimeLimit, SandboxCrashed
    └── SourceFault           the place the bytes come from, or this machine: time may cure it
        ├── SourceMissing, UnreadableSource, SourceChanged, SpoolFull, SandboxUnavailable
        └── InstallationBroken, InternalError    Pagemill itself failed

A class is one sentence for the person who meets it: its docstring, which is the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar


class IngestError(Exception):
    """The document could not be read."""

    code: ClassVar[str] = "ingest_error"
    """Stable, snake_case; stored with the page and shown to people."""
    advice: ClassVar[str] = "See the message."
    """What a person can do about it."""
    retryable: ClassVar[bool] = False
    """Whether trying again later, unchanged, can succeed."""
    blames_page: ClassVar[bool] = False
    """Whether the input killed its reader; three of these put a page in quarantine."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def message(self) -> str:
        """The sentence of the class, followed by what is known of this case."""
        sentence = (type(self).__doc__ or "").strip()
        return f"{sentence} ({self.detail})" if self.detail else sentence

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, str]:
        """Give the form that crosses the sandbox's pipe: all but these two is in the class."""
        return {"code": self.code, "detail": self.detail}

    @staticmethod
    def from_dict(value: Mapping[str, object]) -> IngestError:
        """Make the error again; a code that only a broken child can send gives SandboxCrashed."""
        code, detail = str(value.get("code", "")), str(value.get("detail", ""))[:1000]
        known = {kind.code: kind for kind in _kinds(IngestError)}
        if code not in known:
            return SandboxCrashed(f"it reported the unknown error {code[:40]!r}")
        return known[code](detail)


def _kinds(base: type[IngestError]) -> Iterator[type[IngestError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


class DocumentRefused(IngestError):
    """The document was refused."""

    code = "document_refused"


class EmptyFile(DocumentRefused):
    """The file has no bytes."""

    code = "empty_file"
    advice = "Send the file again; the copy here is empty."


class UnsupportedType(DocumentRefused):
    """The file is not of a type that can be read."""

    code = "unsupported_type"
    advice = (
        "Send a PDF, TIFF, PNG, JPEG, JPEG 2000, WebP, AVIF, HEIC, GIF or BMP file; "
        "print other documents to PDF first."
    )


class DamagedFile(DocumentRefused):
    """The file is damaged and could not be repaired."""

    code = "damaged_file"
    advice = "Open the file in a viewer, save it anew and send the new file."


class PasswordNeeded(DocumentRefused):
    """The PDF is protected by a password."""

    code = "password_needed"
    advice = "Give the password with --password, or send an unprotected copy."


class EncryptionUnsupported(DocumentRefused):
    """The PDF is encrypted for certain people by certificates."""

    code = "encryption_unsupported"
    advice = "Open it with its certificate, save an unprotected copy and send that."


class NoPages(DocumentRefused):
    """The file has no pages."""

    code = "no_pages"
    advice = "Check that the file is the document that was meant."


class TooLarge(DocumentRefused):
    """The file has more bytes than the limit allows."""

    code = "too_large"
    advice = "Raise the limit max_bytes, or divide the document."


class TooManyPages(DocumentRefused):
    """The document has more pages than the limit allows."""

    code = "too_many_pages"
    advice = "Raise the limit max_pages, or divide the document."


class TooManyPixels(DocumentRefused):
    """The image has more pixels than the limit allows."""

    code = "too_many_pixels"
    advice = "Raise the limit max_image_pixels, or scan at a lower resolution."


class CertifiedPdf(DocumentRefused):
    """The PDF is certified by its author: whatever is added to it breaks the certificate."""

    code = "certified_pdf"
    advice = "Export its text in another format, or ask the author for a copy without certificate."


class NotArchivable(DocumentRefused):
    """The PDF cannot be made PDF/A-2b without changing how it looks."""

    code = "not_archivable"
    advice = "Export it without --pdfa, or print it to PDF/A with the program it comes from."


class PageRefused(IngestError):
    """The page was refused."""

    code = "page_refused"


class PageMissing(PageRefused):
    """The document has no such page."""

    code = "page_missing"
    advice = "Check the page number against the document."


class PageDamaged(PageRefused):
    """The page is damaged and could not be drawn."""

    code = "page_damaged"
    advice = "Open the file in a viewer, save it anew and send the new file."


class SandboxDied(IngestError):
    """The page ended the process that read it."""

    code = "sandbox_died"
    retryable = True
    blames_page = True


class OutOfMemory(SandboxDied):
    """The page needs more memory than the limit allows."""

    code = "out_of_memory"
    advice = "Raise the limit memory_bytes, or simplify the page."


class TimeLimit(SandboxDied):
    """The page takes longer to draw than the limit allows."""

    code = "time_limit"
    advice = "Raise the limits cpu_seconds and wall_seconds, or simplify the page."


class SandboxCrashed(SandboxDied):
    """The page crashed the process that read it."""

    code = "sandbox_crashed"
    advice = "Open the file in a viewer, print it to a new PDF and send that."


class SourceFault(IngestError):
    """The source of the document failed."""

    code = "source_fault"
    retryable = True


class SourceMissing(SourceFault):
    """The file is no longer where it was found."""

    code = "source_missing"
    advice = "Put the file back, or forget it."
    retryable = False


class UnreadableSource(SourceFault):
    """The file could not be fetched from where it lies."""

    code = "unreadable_source"
    advice = "Check the rights of the file and the state of the store it lies in."


class SourceChanged(SourceFault):
    """The file changed while it was being copied."""

    code = "source_changed"
    advice = "It is taken again once it has stopped changing."


class SpoolFull(SourceFault):
    """There is no room for a local copy of the file."""

    code = "spool_full"
    advice = "Free space on the disk that holds the cache, or move the cache."


class SandboxUnavailable(SourceFault):
    """The process that reads foreign files could not be started."""

    code = "sandbox_unavailable"
    advice = "Run `pagemill doctor`; the machine may be out of memory or processes."


class InstallationBroken(SourceFault):
    """Pagemill is broken, or is not installed as a whole."""

    code = "installation_broken"
    advice = "Install it anew; if that does not help, please report this."


class InternalError(SourceFault):
    """Pagemill itself failed while it read the file."""

    code = "internal_error"
    advice = "Please report it with the document; `pagemill retry` tries it again."
