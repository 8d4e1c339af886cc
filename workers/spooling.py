"""The local copy of a document whose page is read: kept from its taking in, or fetched again."""

from __future__ import annotations

from pathlib import Path

from ingest.errors import SourceMissing
from workers.services import Services
from workers.sources import find_source


def local_copy(services: Services, sha256: str, uri: str) -> Path:
    """Path of a file with exactly these bytes; raises SourceFault if there are none any more."""
    path = services.spool.path(sha256)
    if path is not None:
        return path
    source = find_source(uri)
    spooled = services.spool.take(source.bucket, source.object)
    if spooled.sha256 != sha256:
        raise SourceMissing(f"{uri} holds another content by now")
    return spooled.path
