"""Buckets of an object store, with real servers."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.servers.s3 import MotoServer, S3Server
from ingest.errors import SourceChanged, SourceMissing
from ingest.spool import Spool
from ingest.watch import FolderWatch
from storage import objects
from storage.buckets import Bucket, SourceObject, open_bucket
from storage.errors import (
    BucketRefused,
    BucketUnavailable,
    BucketUnsupported,
    ObjectMissing,
    StorageError,
)
from storage.objects import ObjectBucket

MakeBucket = Callable[..., str]

HOSTILE = [
    "../../etc/passwd",
    "./here.pdf",
    "/absolute.pdf",
    "a//b.pdf",
    "C:\\windows\\system32.pdf",
    "\x1b[31mred\x1b[0m.pdf",
    "bell\x07 tab\t.pdf",
    "right‮fdp.exe",
    "space + plus %2e %25 ?query#fragment&amp;.pdf",
    "s3://other/bucket.pdf",
    "CON",
    "trailing dot.",
    "发票/增值税 №1.pdf",
    "\U0001f600.pdf",
    "n" * 1024,
    "é" * 512,
]


@pytest.fixture(params=["moto", "seaweed"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A store that the environment leads to."""
    found: S3Server = request.getfixturevalue(request.param)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def bucket(server: S3Server, request: pytest.FixtureRequest) -> str:
    """The name of a new bucket."""
    name = "b" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]
    server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(server: S3Server, bucket: str) -> Callable[..., None]:
    def put(**objects: bytes) -> None:
        for key, content in objects.items():
            server.client().put_object(Bucket=bucket, Key=key, Body=content)

    return put


Put = Callable[..., None]


def content(bucket: Bucket, key: str) -> bytes:
    with bucket.open(key) as body:
        return body.read()


def keys(bucket: Bucket, prefix: str = "") -> list[str]:
    return [found.key for found in bucket.list(prefix)]


def test_objects_are_listed_looked_at_and_read(bucket: str, put: Put) -> None:
    put(**{"b.pdf": b"second", "a/发票.pdf": b"first", "empty": b""})
    place = open_bucket(f"s3://{bucket}")
    found = {each.key: each for each in place.list()}
    assert {key: each.size for key, each in found.items()} == {
        "a/发票.pdf": 5,
        "b.pdf": 6,
        "empty": 0,
    }
    one = found["a/发票.pdf"]
    assert one.uri == f"s3://{bucket}/a/发票.pdf"
    assert place.stat(one.key) == one
    assert content(place, one.key) == b"first"
    assert keys(place, "a/") == ["a/发票.pdf"]


def test_a_new_content_has_a_new_version(bucket: str, put: Put) -> None:
    put(a=b"one")
    place = open_bucket(f"s3://{bucket}")
    before = place.stat("a")
    put(a=b"two")
    after = place.stat("a")
    assert before.version != after.version
    assert list(place.list()) == [after]


def test_a_path_means_an_object_or_everything_under_it(bucket: str, put: Put) -> None:
    put(**{"scans/a.pdf": b"a", "scans/b/c.pdf": b"c", "scansoft.pdf": b"s", "scans/": b""})
    for url in (f"s3://{bucket}/scans", f"s3://{bucket}/scans/"):
        place = open_bucket(url)
        assert sorted(keys(place)) == ["a.pdf", "b/c.pdf"]
        assert place.stat("b/c.pdf").uri == f"s3://{bucket}/scans/b/c.pdf"
        assert content(place, "b/c.pdf") == b"c"
    one = open_bucket(f"s3://{bucket}/scans/b/c.pdf")
    assert keys(one) == ["c.pdf"]
    assert content(one, "c.pdf") == b"c"
    with pytest.raises(ObjectMissing):
        one.stat("../a.pdf")
    assert keys(open_bucket(f"s3://{bucket}/nothing")) == []


def test_an_address_leads_back_to_its_object(bucket: str, put: Put) -> None:
    put(**{"x y/%41?b#c.pdf": b"1", "back\\slash.pdf": b"2", "发票.pdf": b"3"})
    for found in open_bucket(f"s3://{bucket}").list():
        (again,) = open_bucket(found.uri).list()
        assert (again.uri, again.version, again.size) == (found.uri, found.version, 1)


def test_hostile_keys_stop_no_listing_and_reach_no_file(
    server: S3Server, bucket: str, tmp_path: Path
) -> None:
    stored = {}
    for key in [*HOSTILE, "line\nbreak\r\u2028.pdf", "nul\0.pdf", "good.pdf"]:
        try:  # each store refuses some of them itself
            server.client().put_object(Bucket=bucket, Key=key, Body=key.encode())
            stored[key] = key.encode()
        except Exception:
            continue
    assert len(stored) > 10
    place = open_bucket(f"s3://{bucket}")
    found = list(place.list())
    assert len(found) == len(server.client().list_objects_v2(Bucket=bucket)["Contents"])
    spool = Spool(tmp_path / "spool", 10**9)
    for each in found:
        assert each.key.isprintable() or "\u202e" in each.key
        assert "\n" not in each.uri
        copy = spool.take(place, each)
        assert copy.path.parent.parent == tmp_path / "spool"
        if each.key in stored:
            assert copy.path.read_bytes() == stored[each.key]
    assert {path.name for path in tmp_path.iterdir()} == {"spool"}


def test_long_listings_come_page_by_page(
    bucket: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "OBJECTS_A_PAGE", 10)
    put(**{f"{number:02}": b"x" for number in range(25)})
    assert keys(open_bucket(f"s3://{bucket}")) == [f"{number:02}" for number in range(25)]


def test_what_is_gone_is_missing(server: S3Server, bucket: str, put: Put) -> None:
    put(a=b"a")
    place = open_bucket(f"s3://{bucket}")
    server.client().delete_object(Bucket=bucket, Key="a")
    with pytest.raises(ObjectMissing):
        place.stat("a")
    with pytest.raises(ObjectMissing):
        place.open("a")
    with pytest.raises(ObjectMissing):
        open_bucket("s3://there-is-no-such-bucket")


def test_an_object_replaced_while_it_is_copied_is_taken_again(
    bucket: str, put: Put, tmp_path: Path
) -> None:
    put(a=b"one")
    place = open_bucket(f"s3://{bucket}")
    found = place.stat("a")
    put(a=b"two")
    spool = Spool(tmp_path, 10**9)
    with pytest.raises(SourceChanged):
        spool.take(place, found)
    assert spool.take(place, place.stat("a")).path.read_bytes() == b"two"
    with pytest.raises(SourceMissing):
        spool.take(place, SourceObject("gone", 1, "etag", "s3://x/gone"))


def test_a_watch_reports_each_version_of_an_object_once(
    server: S3Server, bucket: str, put: Put
) -> None:
    put(**{"a.pdf": b"1", ".hidden": b"x", "b.pdf.part": b"x"})
    watch = FolderWatch(open_bucket(f"s3://{bucket}"), quiet=2.0)
    assert watch.scan(now=0) == []
    assert [found.key for found in watch.scan(now=2)] == ["a.pdf"]
    assert watch.scan(now=4) == []
    put(**{"a.pdf": b"22"})
    assert watch.scan(now=6) == []
    assert [found.size for found in watch.scan(now=8)] == [2]
    server.client().delete_object(Bucket=bucket, Key="a.pdf")
    assert watch.scan(now=10) == []


def test_a_large_object_is_read_in_portions(server: S3Server, bucket: str, put: Put) -> None:
    large = os.urandom(3_000_001)
    put(large=large)
    with open_bucket(f"s3://{bucket}").open("large") as body:
        parts = iter(lambda: body.read(700_000), b"")
        assert b"".join(parts) == large


def test_a_bucket_opened_before_a_fork_works_after_it(bucket: str, put: Put) -> None:
    put(a=b"a")
    place = open_bucket(f"s3://{bucket}")
    child = os.fork()
    if child == 0:
        os._exit(0 if keys(place) == ["a"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert keys(place) == ["a"]


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "s3://UPPER CASE/a", "s3://a?b/c"])
def test_addresses_that_name_no_bucket_are_refused(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises((BucketUnsupported, ObjectMissing)):
        open_bucket(url)


def environment(monkeypatch: pytest.MonkeyPatch, changed: Mapping[str, str]) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value)


def test_wrong_credentials_are_no_fault_of_an_object(
    seaweed: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = seaweed.client()
    client.create_bucket(Bucket="closed")
    client.put_object(Bucket="closed", Key="a", Body=b"a")
    environment(monkeypatch, seaweed.environment())
    opened = open_bucket("s3://closed")
    environment(monkeypatch, {"AWS_SECRET_ACCESS_KEY": "wrong"})
    for attempt in (lambda: open_bucket("s3://closed"), lambda: open_bucket("s3://closed/a")):
        with pytest.raises(BucketRefused, match="SignatureDoesNotMatch"):
            attempt()
    assert keys(opened) == ["a"]
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(BucketRefused):
        open_bucket("s3://closed")


def test_a_store_that_is_away_is_no_fault_of_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "TRIES", 1)
    with MotoServer() as server:
        environment(monkeypatch, server.environment())
        server.client().create_bucket(Bucket="bucket")
        server.client().put_object(Bucket="bucket", Key="a", Body=b"x" * 50_000_000)
        place = ObjectBucket("s3://bucket")
        body = place.open("a")
        body.read(10)
        server.stop()
        attempts: list[Callable[[], Any]] = [
            lambda: place.stat("a"),
            lambda: place.open("a"),
            lambda: list(place.list()),
            lambda: ObjectBucket("s3://bucket"),
            lambda: [body.read(1_000_000) for _ in range(50)],
        ]
        for attempt in attempts:
            with pytest.raises(BucketUnavailable) as caught:
                attempt()
            assert isinstance(caught.value, StorageError)
            assert caught.value.retryable
        body.close()
