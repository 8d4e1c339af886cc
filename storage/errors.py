"""What can go wrong with buckets and the database, as sentences for the person who meets it.

StorageError
├── BucketUnsupported       no bucket of this kind
├── BucketRefused           wrong or no credentials
├── BucketUnavailable       the object store does not answer
├── KeyRefused              the key is not a name inside the bucket
├── ObjectMissing           nothing (or nothing readable) under this key
├── DatabaseUnsupported     the database cannot be used safely
├── DatabaseMissing         there is no database at this address
├── DatabaseTooNew          made by a newer version
├── DatabaseOutdated        made by an older version, and only read here
├── CopyRefused             the source is in use, or the target is not empty
├── CopyDiffers             what was copied is not what was read
├── DocumentNotFound · DocumentAmbiguous
├── LeaseLost               somebody else owns the page by now
└── SqlRefused · SqlFailed · SqlTimeLimit
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a page or document was refused, as it is stored: the common shape of all error trees."""

    code: str
    """Stable, snake_case: programs compare this."""
    message: str
    """One sentence naming the thing."""
    advice: str = ""
    """What a person can do about it."""
    retryable: bool = False
    """Whether time alone may cure it."""


class StorageError(Exception):
    """Storage failed."""

    code: ClassVar[str] = "storage_error"
    advice: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in cls.__dict__:
            cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str = "") -> None:
        sentence = " ".join((type(self).__doc__ or "").split("\n\n")[0].split())
        self.message = f"{sentence} {detail}".strip()
        super().__init__(self.message)

    def info(self) -> ErrorInfo:
        """The error as the value that is stored."""
        return ErrorInfo(self.code, self.message, self.advice, self.retryable)


class BucketUnsupported(StorageError):
    """There is no bucket for this kind of address."""

    advice = "Give a folder, a file, a file:// URL or s3://BUCKET/PATH."


class BucketRefused(StorageError):
    """The object store does not let us in."""

    advice = (
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to a user who may list "
        "and read the bucket, and AWS_ENDPOINT_URL if the store is not Amazon's."
    )


class BucketUnavailable(StorageError):
    """The object store does not answer."""

    advice = "Check AWS_ENDPOINT_URL and the network; the work goes on when it is back."
    retryable = True


class KeyRefused(StorageError):
    """The key is not a name inside the bucket."""

    advice = "A key is a relative path with forward slashes and without '.', '..' or links."


class ObjectMissing(StorageError):
    """There is no readable regular file under this key."""

    advice = (
        "It may have been moved, deleted or replaced since it was listed; list the bucket again."
    )
    retryable = True


BUCKET_AWAY = (ObjectMissing, BucketRefused, BucketUnavailable)
"""What listing a bucket raises when it is not to be had; it may come back."""


class DatabaseUnsupported(StorageError):
    """The database cannot be used."""

    advice = (
        "Use a file on a local disk, as in sqlite:///pagemill.db, or a PostgreSQL server, as in "
        "postgresql://user:password@host/database."
    )


class DatabaseMissing(StorageError):
    """There is no database at this address."""

    advice = "Check --database, or read some documents first: pagemill run PATH."


class DatabaseTooNew(StorageError):
    """The database was made by a newer version of Pagemill."""

    advice = "Update Pagemill, or use another database."


class DatabaseOutdated(StorageError):
    """The database was made by an older version of Pagemill."""

    advice = "Bring it up to date with any command that writes to it, such as pagemill run."


class CopyRefused(StorageError):
    """The database cannot be copied."""

    advice = "Copy into a new, empty database, while nobody works on the old one."


class CopyDiffers(StorageError):
    """What was copied is not what was read; the target was left empty."""

    advice = "Try again, and check the disks of both databases."


class DocumentNotFound(StorageError):
    """No such document."""

    advice = "Give its number, the start of its SHA-256, its path or its file name."


class DocumentAmbiguous(StorageError):
    """Several documents fit."""

    advice = "Give the document's number or its full path."


class LeaseLost(StorageError):
    """The page is no longer leased by this worker; nothing was stored."""

    advice = "Nothing to do: whoever holds the page now reads it."


class SqlRefused(StorageError):
    """Only one reading statement is allowed here."""

    advice = "Use SELECT; the views v_documents, v_pages, v_lines and v_words are made for it."


class SqlFailed(StorageError):
    """The database could not run the statement."""

    advice = (
        "Check names and syntax. SELECT sql FROM sqlite_master shows an SQLite file's views, "
        "SELECT * FROM information_schema.columns those of PostgreSQL."
    )


class SqlTimeLimit(StorageError):
    """The statement took longer than the time limit."""

    advice = "Narrow it with WHERE or LIMIT, or allow more time."
