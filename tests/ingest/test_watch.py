from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.watch import FolderWatch, is_ignored
from storage.buckets import FolderBucket, SourceObject


class Shelf:
    """A bucket that is a dictionary of versions."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions

    def list(self, prefix: str = "") -> Iterator[SourceObject]:
        return (self.stat(key) for key in sorted(self.versions) if key.startswith(prefix))

    def open(self, key: str) -> BinaryIO:
        raise NotImplementedError("watching opens nothing")

    def stat(self, key: str) -> SourceObject:
        return SourceObject(key, 1, self.versions[key], f"shelf://{key}")


def keys(found: list[SourceObject]) -> list[str]:
    return [each.key for each in found]


def test_a_file_is_complete_when_it_has_not_changed_for_a_while() -> None:
    watch = FolderWatch(Shelf(a="1"), quiet=2.0)
    assert keys(watch.scan(10.0)) == []
    assert keys(watch.scan(11.9)) == []
    assert watch.waiting == 1
    assert keys(watch.scan(12.0)) == ["a"]
    assert watch.waiting == 0


def test_a_file_that_grows_starts_to_wait_anew() -> None:
    shelf = Shelf(scan="1 page")
    watch = FolderWatch(shelf, quiet=2.0)
    for second, version in enumerate(["1 page", "2 pages", "3 pages"]):
        shelf.versions["scan"] = version
        assert keys(watch.scan(float(second))) == []
    assert keys(watch.scan(3.9)) == []
    assert keys(watch.scan(4.0)) == ["scan"]


def test_each_version_is_reported_once() -> None:
    shelf = Shelf(a="1")
    watch = FolderWatch(shelf, quiet=1.0)
    assert keys(watch.scan(0.0) + watch.scan(1.0) + watch.scan(2.0) + watch.scan(9.0)) == ["a"]
    shelf.versions["a"] = "2"
    assert keys(watch.scan(10.0) + watch.scan(11.0) + watch.scan(12.0)) == ["a"]


def test_a_file_that_went_away_and_came_back_is_new() -> None:
    shelf = Shelf(a="1")
    watch = FolderWatch(shelf, quiet=1.0)
    assert keys(watch.scan(0.0) + watch.scan(1.0)) == ["a"]
    del shelf.versions["a"]
    assert keys(watch.scan(2.0)) == []
    shelf.versions["a"] = "1"
    assert keys(watch.scan(3.0) + watch.scan(4.0)) == ["a"]


def test_what_could_not_be_taken_is_reported_again() -> None:
    watch = FolderWatch(Shelf(a="1"), quiet=1.0)
    watch.scan(0.0)
    (found,) = watch.scan(1.0)
    watch.report_again(found)
    assert watch.scan(2.0) == [found]


@pytest.mark.parametrize(
    "key",
    [
        ".hidden.pdf", "inbox/.git/config", "scan.pdf.part", "SCAN.PDF.CRDOWNLOAD", "a.tmp",
        "~$letter.docx", "inbox/~$letter.docx", "Thumbs.db", "inbox/desktop.ini", "x.filepart",
    ],
)  # fmt: skip
def test_what_is_not_a_document_yet_is_passed_over(key: str) -> None:
    assert is_ignored(key)
    watch = FolderWatch(Shelf(**{key: "1"}), quiet=0.0)
    assert watch.scan(0.0) == watch.scan(1.0) == []


@pytest.mark.parametrize("key", ["a.pdf", "part.pdf", "inbox.tmp/a.pdf", "a~$b.tif", "Größe.PNG"])
def test_documents_are_not_passed_over(key: str) -> None:
    assert not is_ignored(key)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=30))
def test_every_version_that_stays_is_reported_and_none_twice(
    changes: list[tuple[str, int]],
) -> None:
    shelf = Shelf()
    watch = FolderWatch(shelf, quiet=1.0)
    reported: list[tuple[str, str]] = []
    for second, (key, version) in enumerate(changes):
        shelf.versions[key] = f"{second}-{version}"
        reported += [(found.key, found.version) for found in watch.scan(second / 2)]
    for second in (100.0, 102.0):
        reported += [(found.key, found.version) for found in watch.scan(second)]
    assert len(reported) == len(set(reported))
    assert set(shelf.versions.items()) <= set(reported)


def test_a_folder_is_watched_by_size_time_and_inode(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"one")
    (tmp_path / ".b.pdf").write_bytes(b"hidden")
    (tmp_path / "link.pdf").symlink_to("/etc/passwd")
    watch = FolderWatch(FolderBucket(tmp_path), quiet=1.0)
    assert keys(watch.scan(0.0) + watch.scan(1.0)) == ["a.pdf"]
    (tmp_path / "new").write_bytes(b"two")
    (tmp_path / "new").replace(tmp_path / "a.pdf")  # as long as before, by another file
    assert keys(watch.scan(2.0) + watch.scan(3.0)) == ["a.pdf"]
