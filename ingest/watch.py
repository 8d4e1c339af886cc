"""Watches a bucket: tells which objects are complete, each version once.

Listing is the truth. An object is complete when two listings, at least `quiet` seconds apart,
show the same version of it (size, time of change and inode of a file): scanners append page by
page for minutes, so the time is a setting. What another program is still writing under a name of
its own making is passed over.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from storage.buckets import Bucket, SourceObject

# Hidden files and folders, downloads in progress, lock files of office programs.
_IGNORED = re.compile(
    r"""(?:^|/)\.                                                     # .hidden, .git/config
      | (?:^|/)~\$                                                    # ~$letter.docx
      | \.(?:part|partial|filepart|tmp|temp|crdownload|download)$     # half of a file
      | (?:^|/)(?:thumbs\.db|desktop\.ini)$                           # notes of a file manager
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_ignored(key: str) -> bool:
    """Whether a key is by its name no document, or not one yet."""
    return _IGNORED.search(key) is not None


@dataclass(slots=True)
class _Sight:
    version: str
    since: float
    reported: bool = False


class FolderWatch:
    """Repeated listings of one bucket, compared."""

    def __init__(self, bucket: Bucket, quiet: float = 2.0) -> None:
        self.bucket = bucket
        self.quiet = quiet
        """Seconds for which an object must not change; 30 or more for NFS and SMB."""
        self._sights: dict[str, _Sight] = {}

    def scan(self, now: float | None = None) -> list[SourceObject]:
        """List the bucket; objects that are complete and were not reported in this version.

        `now` is in seconds, of any clock that only goes forward: by default the machine's. Raises
        ObjectMissing if the bucket itself is gone; what was seen before is then not forgotten.
        """
        now = time.monotonic() if now is None else now
        listed = [found for found in self.bucket.list() if not is_ignored(found.key)]
        keys = {found.key for found in listed}
        self._sights = {key: sight for key, sight in self._sights.items() if key in keys}
        return [found for found in listed if self._is_complete(found, now)]

    def report_again(self, found: SourceObject) -> None:
        """Have an object that could not be taken reported by the next scan once more."""
        if found.key in self._sights:
            self._sights[found.key].reported = False

    @property
    def waiting(self) -> int:
        """How many objects of the last listing are not complete yet."""
        return sum(not sight.reported for sight in self._sights.values())

    def _is_complete(self, found: SourceObject, now: float) -> bool:
        sight = self._sights.get(found.key)
        if sight is None or sight.version != found.version:
            self._sights[found.key] = _Sight(found.version, now)
            return False
        if sight.reported or now - sight.since < self.quiet:
            return False
        sight.reported = True
        return True
