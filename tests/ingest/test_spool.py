import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from ingest.errors import SourceChanged, SourceMissing, SpoolFull, TooLarge, UnreadableSource
from ingest.spool import Spool
from storage.buckets import FolderBucket, SourceObject


@pytest.fixture
def bucket(tmp_path: Path) -> FolderBucket:
    (tmp_path / "inbox").mkdir()
    return FolderBucket(tmp_path / "inbox")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "cache" / "spool", max_bytes=10_000)


def put(bucket: FolderBucket, key: str, content: bytes) -> SourceObject:
    (bucket.root / key).write_bytes(content)
    return bucket.stat(key)


def files(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.root.rglob("*") if path.is_file())


class Changing:
    """A bucket in which something happens while an object is copied."""

    def __init__(self, bucket: FolderBucket, happens: Callable[[], object]) -> None:
        self.bucket, self.happens = bucket, happens

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        return self.bucket.list(prefix)

    def stat(self, key: str) -> SourceObject:
        return self.bucket.stat(key)

    def open(self, key: str) -> BinaryIO:
        file = self.bucket.open(key)
        self.happens()
        return file


def test_a_copy_is_named_after_its_bytes(bucket: FolderBucket, spool: Spool) -> None:
    content = b"a document" * 100
    taken = spool.take(bucket, put(bucket, "a.pdf", content))
    assert taken.sha256 == hashlib.sha256(content).hexdigest()
    assert (taken.size, taken.path.read_bytes()) == (1000, content)
    assert spool.path(taken.sha256) == taken.path
    assert taken.path.name == taken.sha256
    assert os.access(taken.path, os.R_OK)


def test_equal_files_share_one_copy(bucket: FolderBucket, spool: Spool) -> None:
    first = spool.take(bucket, put(bucket, "a.pdf", b"the same"))
    assert spool.take(bucket, put(bucket, "b.pdf", b"the same")) == first
    assert files(spool).count(first.sha256) == 1


def test_an_unknown_content_has_no_path(spool: Spool) -> None:
    assert spool.path("0" * 64) is None


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "G" * 64, "0" * 64 + "/.."])
def test_only_hashes_are_names(spool: Spool, name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        spool.path(name)


def test_a_file_that_changed_since_it_was_listed_is_not_taken(
    bucket: FolderBucket, spool: Spool
) -> None:
    found = put(bucket, "a.pdf", b"old")
    put(bucket, "a.pdf", b"new and longer")
    with pytest.raises(SourceChanged):
        spool.take(bucket, found)
    assert [name for name in files(spool) if name != "lock"] == []


@pytest.mark.parametrize("content", [b"", b"cut", b"longer than it was when it was listed"])
def test_a_file_that_changes_while_it_is_copied_is_not_taken(
    bucket: FolderBucket, spool: Spool, content: bytes
) -> None:
    found = put(bucket, "a.pdf", b"a document of some bytes")
    changing = Changing(bucket, lambda: (bucket.root / "a.pdf").write_bytes(content))
    with pytest.raises(SourceChanged) as error:
        spool.take(changing, found)
    assert error.value.retryable
    assert [name for name in files(spool) if name != "lock"] == []


def test_a_file_that_is_replaced_while_it_is_copied_is_not_taken(
    bucket: FolderBucket, spool: Spool
) -> None:
    """The copy would be whole, but not what the key holds now."""
    found = put(bucket, "a.pdf", b"one version")
    put(bucket, "next", b"two version")
    changing = Changing(bucket, lambda: (bucket.root / "next").replace(bucket.root / "a.pdf"))
    with pytest.raises(SourceChanged):
        spool.take(changing, found)


def test_a_file_that_went_away_is_missing(bucket: FolderBucket, spool: Spool) -> None:
    found = put(bucket, "a.pdf", b"here")
    (bucket.root / "a.pdf").unlink()
    with pytest.raises(SourceMissing):
        spool.take(bucket, found)


def test_a_key_that_leads_out_of_the_bucket_is_refused(bucket: FolderBucket, spool: Spool) -> None:
    with pytest.raises(UnreadableSource):
        spool.take(bucket, SourceObject("../secret", 1, "1", "file:///secret"))


def test_a_file_beyond_the_limit_is_refused_before_it_is_copied(
    bucket: FolderBucket, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool", 10_000, max_file_bytes=100)
    never = Changing(bucket, lambda: pytest.fail("it was opened"))
    with pytest.raises(TooLarge):
        spool.take(never, put(bucket, "a.pdf", bytes(101)))


def test_a_spool_that_cannot_be_written_says_so(bucket: FolderBucket, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolFull) as error:
        Spool(tmp_path / "file" / "spool", 1000).take(bucket, put(bucket, "a.pdf", b"x"))
    assert error.value.retryable
    assert not error.value.blames_page


def test_the_longest_unused_copies_leave_first(bucket: FolderBucket, spool: Spool) -> None:
    taken = [spool.take(bucket, put(bucket, f"{n}.pdf", bytes([n]) * 3000)) for n in range(3)]
    for age, copy in zip((300, 900, 600), taken, strict=True):
        then = time.time() - age
        os.utime(copy.path, (then, then))
    spool.path(taken[1].sha256)  # the oldest, but just used
    spool.take(bucket, put(bucket, "3.pdf", b"3" * 3000))  # 12 000 of 10 000 bytes
    left = [spool.path(copy.sha256) is not None for copy in taken]
    assert left == [True, True, False]


def test_a_copy_in_use_is_never_evicted(bucket: FolderBucket, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=10)
    taken = [spool.take(bucket, put(bucket, f"{n}.pdf", bytes([n]) * 100)) for n in range(3)]
    assert all(copy.path.exists() for copy in taken)


def test_using_a_copy_does_not_change_its_time_of_change(
    bucket: FolderBucket, spool: Spool
) -> None:
    """The sandbox knows a document by it."""
    taken = spool.take(bucket, put(bucket, "a.pdf", b"x"))
    before = taken.path.stat().st_mtime_ns
    spool.path(taken.sha256)
    assert taken.path.stat().st_mtime_ns == before


def test_what_a_killed_process_left_behind_is_removed_in_time(
    bucket: FolderBucket, spool: Spool
) -> None:
    spool.take(bucket, put(bucket, "a.pdf", b"x"))
    old, young = (spool.root / "tmp" / name for name in ("old", "young"))
    for left in (old, young):
        left.write_bytes(b"half a document")
    os.utime(old, (0, 0))
    spool.evict()
    assert (old.exists(), young.exists()) == (False, True)


def test_several_processes_share_a_spool(bucket: FolderBucket, spool: Spool) -> None:
    for number in range(20):
        put(bucket, f"{number}.pdf", bytes([number % 5]) * (1000 + number % 5))
    work = (
        "import sys; from pathlib import Path\n"
        "from ingest.spool import Spool; from storage.buckets import FolderBucket\n"
        "bucket, spool = FolderBucket(sys.argv[1]), Spool(Path(sys.argv[2]), 3000)\n"
        "for found in bucket.list():\n"
        "    taken = spool.take(bucket, found)\n"
        "    assert taken.path.stat().st_size == found.size\n"
        "    spool.evict()\n"
    )
    command = [sys.executable, "-c", work, str(bucket.root), str(spool.root)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0, 0]
    for path in spool.root.glob("??/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
