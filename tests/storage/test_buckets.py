import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.buckets import Bucket, FolderBucket, key_of, name_of, open_bucket, readable
from storage.errors import BucketUnsupported, KeyRefused, ObjectMissing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    (inbox / "sub").mkdir(parents=True)
    (inbox / "b.pdf").write_bytes(b"bb")
    (inbox / "sub" / "发票 1.pdf").write_bytes(b"a")
    return inbox


def content(bucket: Bucket, key: str) -> bytes:
    with bucket.open(key) as file:
        return file.read()


def keys(bucket: FolderBucket, prefix: str = "") -> list[str]:
    return [found.key for found in bucket.list(prefix)]


def test_a_folder_lists_its_files_recursively_by_relative_key(folder: Path) -> None:
    bucket = FolderBucket(folder)
    assert keys(bucket) == ["b.pdf", "sub/发票 1.pdf"]
    assert keys(bucket, "sub/") == ["sub/发票 1.pdf"]
    assert content(bucket, "sub/发票 1.pdf") == b"a"
    assert bucket.stat("b.pdf").size == 2


def test_the_version_changes_when_a_file_is_written_or_replaced(folder: Path) -> None:
    bucket = FolderBucket(folder)
    versions = {bucket.stat("b.pdf").version}
    os.utime(folder / "b.pdf", ns=(1, 1))
    versions.add(bucket.stat("b.pdf").version)
    (folder / "other").write_bytes(b"bb")
    os.utime(folder / "other", ns=(1, 1))  # same size and time, other inode
    (folder / "other").rename(folder / "b.pdf")
    versions.add(bucket.stat("b.pdf").version)
    assert len(versions) == 3


def test_pipes_sockets_and_links_are_not_objects(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    os.mkfifo(folder / "pipe.pdf")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "in.pdf").symlink_to(folder / "b.pdf")
    (folder / "up").symlink_to(tmp_path)
    bucket = FolderBucket(folder)
    assert keys(bucket) == ["b.pdf", "sub/发票 1.pdf"]
    for key in ("pipe.pdf", "out.txt", "in.pdf", "up/secret.txt"):
        with pytest.raises(ObjectMissing):
            bucket.open(key)
        with pytest.raises(ObjectMissing):
            bucket.stat(key)


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../x", "a/../b", "a//b", "/etc/passwd", "a/", "a\0b", "./a", "\\", "\\x41"],
)
def test_a_key_that_is_not_a_plain_name_inside_is_refused(folder: Path, key: str) -> None:
    bucket = FolderBucket(folder)
    for use in (bucket.open, bucket.stat):
        with pytest.raises(KeyRefused):
            use(key)


def test_names_that_are_not_utf8_survive_as_plain_text(folder: Path) -> None:
    name = b"caf\xe9 \\ \x1b[31m\n.pdf"
    path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 (pathlib has no bytes)
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"latin-1")
    bucket = FolderBucket(folder)
    found = next(bucket.list("caf"))
    assert found.key == "caf\\xe9 \\\\ \\x1b[31m\\x0a.pdf"
    assert found.key.encode().isascii()
    assert content(bucket, found.key) == b"latin-1"
    assert readable(found.uri) == f"{folder}/{found.key}"
    assert content(open_bucket(found.uri), found.key) == b"latin-1"


@given(st.binary(min_size=1).filter(lambda name: not {0, ord("/")} & set(name)))
def test_every_file_name_has_one_key_and_comes_back(name: bytes) -> None:
    if name in (b".", b".."):
        return
    key = key_of(name)
    assert name_of(key) == name
    assert key.encode().decode() == key
    assert key.isprintable() or not any(character in key for character in "\n\r\x1b\x85\u2028")


@given(st.text())
def test_any_text_is_a_canonical_key_or_is_refused(key: str) -> None:
    try:
        name = name_of(key)
    except KeyRefused:
        return
    assert key_of(name) == key
    assert not name.startswith(b"/")
    assert b".." not in name.split(b"/")


def test_a_single_file_is_a_bucket_of_one(folder: Path) -> None:
    bucket = open_bucket(folder / "b.pdf")
    (found,) = bucket.list()
    assert (found.key, found.uri) == ("b.pdf", f"file://{folder}/b.pdf")
    assert list(bucket.list("x")) == []
    with pytest.raises(ObjectMissing):
        bucket.stat("sub/发票 1.pdf")


def test_a_link_given_by_hand_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.pdf").symlink_to(folder / "b.pdf")
    (tmp_path / "inbox2").symlink_to(folder)
    assert [found.key for found in open_bucket(tmp_path / "link.pdf").list()] == ["b.pdf"]
    assert [found.key for found in open_bucket(str(tmp_path / "inbox2")).list("b")] == ["b.pdf"]


def test_a_bucket_is_opened_by_path_or_file_url(folder: Path) -> None:
    (plain,) = open_bucket(str(folder)).list("b")
    (url,) = open_bucket(folder.as_uri()).list("b")
    assert plain == url


def test_other_addresses_are_refused_by_name(folder: Path) -> None:
    with pytest.raises(BucketUnsupported, match=r"'gs://'"):
        open_bucket("gs://bucket/prefix")
    with pytest.raises(BucketUnsupported, match="another computer"):
        open_bucket("file://server/share")
    with pytest.raises(ObjectMissing):
        open_bucket(folder / "missing.pdf")


def test_a_folder_that_may_not_be_entered_is_named(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder")
    (folder / "sub").chmod(0)
    bucket = FolderBucket(folder)
    assert keys(bucket) == ["b.pdf"]
    (folder / "sub").chmod(0o700)
    assert bucket.unreadable == ("sub (Permission denied)",)


def test_a_bucket_that_vanished_says_so(folder: Path) -> None:
    bucket = FolderBucket(folder)
    folder.rename(folder.with_name("gone"))
    with pytest.raises(ObjectMissing):
        list(bucket.list())
