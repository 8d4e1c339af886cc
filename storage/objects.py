"""Buckets of an object store that speaks S3: Amazon's, Ceph, SeaweedFS, MinIO, R2 and others.

An address is `s3://BUCKET` or `s3://BUCKET/PATH`, as the AWS command line has it: nothing is
percent-encoded. What it needs comes from where AWS programs look: AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL for a store of one's own, or the
role of the machine.

A key is data and never a path on this machine: `../../etc/passwd` is an object like any other. Its
name here is written as file names are (buckets.py), so that no control character gets into a
database or a log. Markers of folders, which some programs make, are no objects.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO

from storage.buckets import SourceObject, key_of, unescaped
from storage.errors import BucketRefused, BucketUnavailable, BucketUnsupported, ObjectMissing

CONNECT_SECONDS = 10
READ_SECONDS = 60
TRIES = 5
OBJECTS_A_PAGE = 1000
_OURS = {
    *("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed"),
    *("SignatureDoesNotMatch", "TokenRefreshRequired", "ExpiredTokenException"),
}
"""Refusals that concern every object, not the one that was asked for."""


class ObjectBucket:
    """Objects of a bucket: all, those whose key starts with a path, or a single one."""

    def __init__(self, url: str) -> None:
        """The bucket at `s3://BUCKET[/PATH]`: the object of this key if there is one, or else
        everything under PATH/.

        Raises BucketUnsupported, BucketRefused, BucketUnavailable, and ObjectMissing if there is
        no such bucket.
        """
        scheme, _, rest = url.partition("://")
        self.name, _, path = rest.partition("/")
        if scheme != "s3" or not self.name:
            raise BucketUnsupported(f"{key_of(os.fsencode(url))} is not s3://BUCKET/PATH.")
        self._process = os.getpid()
        self._prefix, self._only = self._meaning(path)

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        """The objects whose key starts with `prefix`, in the order of the store.

        Raises ObjectMissing if the bucket is gone, BucketRefused and BucketUnavailable.
        """
        if self._only is not None:
            if self._only.startswith(prefix):
                yield self.stat(self._only)
            return
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name,
            Prefix=self._prefix + _spelled(prefix),
            PaginationConfig={"PageSize": OBJECTS_A_PAGE},
        )
        with _faults(self.name):
            for page in pages:
                for entry in page.get("Contents", ()):
                    if not entry["Key"].endswith("/"):
                        yield self._object(entry["Key"], entry["Size"], entry)

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading; raises ObjectMissing, BucketRefused, BucketUnavailable."""
        with _faults(key, one=True):
            answer = self._client.get_object(Bucket=self.name, Key=self._full(key))
        return io.BufferedReader(_Body(key, answer["Body"]), 2**20)

    def stat(self, key: str) -> SourceObject:
        """Look at an object again; raises ObjectMissing, BucketRefused, BucketUnavailable."""
        full = self._full(key)
        with _faults(key, one=True):
            facts = self._head(full)
        return self._object(full, facts["ContentLength"], facts)

    def _head(self, full: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._client.head_object(Bucket=self.name, Key=full)
        except ClientError as error:
            if _status(error) != 403:
                raise
        # The answer to HEAD has no body that could say what was refused and why.
        self._client.get_object(Bucket=self.name, Key=full, Range="bytes=0-0")["Body"].close()
        return self._client.head_object(Bucket=self.name, Key=full)

    def _object(self, full: str, size: int, facts: Any) -> SourceObject:
        changed = facts["LastModified"].isoformat() if "LastModified" in facts else ""
        version = facts.get("ETag", "").strip('"') or f"{size}:{changed}"
        return SourceObject(
            key=_written(full[len(self._prefix) :]),
            size=size,
            version=version,
            uri=f"s3://{self.name}/{_written(full)}",
        )

    def _full(self, key: str) -> str:
        """The key in the store."""
        if self._only is not None and key != self._only:
            raise ObjectMissing(key)
        return self._prefix + _spelled(key)

    def _meaning(self, path: str) -> tuple[str, str | None]:
        """Prefix of the keys, and the single one that is meant, if it is one."""
        full = _spelled(path)
        folder, _, last = full.rpartition("/")
        prefix = folder + "/" if "/" in full else ""
        if last and self._is_there(full):
            return prefix, _written(last)
        with _faults(self.name):
            self._client.list_objects_v2(Bucket=self.name, MaxKeys=1)
        return (full + "/" if last else full), None

    def _is_there(self, full: str) -> bool:
        try:
            with _faults(full, one=True):
                self._head(full)
        except ObjectMissing:
            return False
        return True

    @property
    def _client(self) -> Any:
        """A client of this process: connections must not be shared with a parent."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self.__dict__.pop("_connected", None)
        return self._connected

    @cached_property
    def _connected(self) -> Any:
        with _faults(self.name):
            return _connect()


class _Body(io.RawIOBase):
    """The bytes of an object as they come over the network."""

    def __init__(self, key: str, body: Any) -> None:
        self._key, self._body = key, body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _faults(self._key, one=True):
            read: bytes = self._body.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()


def _connect() -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session()
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": TRIES, "mode": "standard"},
        user_agent_extra="pagemill",
    )
    region = session.region_name or "us-east-1"  # where Amazon's names are known, others ignore it
    client = session.client("s3", region_name=region, config=config)
    if ".amazonaws." in client.meta.endpoint_url:
        return client
    # A store of one's own rarely has a name for each bucket in the DNS.
    config = config.merge(Config(s3={"addressing_style": "path"}))
    return session.client("s3", region_name=region, config=config)


@contextmanager
def _faults(name: str, *, one: bool = False) -> Iterator[None]:
    """Tell errors of the store and the network apart; `one` if an object was asked for."""
    from botocore import exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        raise _answered(name, error, one=one) from error
    except aws.ParamValidationError as error:
        raise BucketUnsupported(f"({' '.join(str(error).split())})") from error
    except (
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.CredentialRetrievalError,
        aws.ProfileNotFound,
    ) as error:
        raise BucketRefused(f"({error})") from error
    except aws.BotoCoreError as error:
        raise BucketUnavailable(f"({error})") from error


def _answered(
    name: str, error: Any, *, one: bool
) -> ObjectMissing | BucketRefused | BucketUnavailable:
    """What an error that the store answered with means."""
    code, status = str(error.response.get("Error", {}).get("Code")), _status(error)
    if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout"):
        return BucketUnavailable(f"({error})")
    if code == "NoSuchBucket" or status == 404:
        return ObjectMissing(f"{name} ({code})")
    if one and code not in _OURS:
        return ObjectMissing(f"{name} ({code})")
    return BucketRefused(f"({error})")


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _written(full: str) -> str:
    return key_of(full.encode("utf-8", "surrogatepass"))


def _spelled(key: str) -> str:
    """The key in the store that a name here stands for; any other text stands for itself."""
    try:
        name = unescaped(key)
        return name.decode("utf-8", "surrogatepass") if key_of(name) == key else key
    except UnicodeError:
        return key
