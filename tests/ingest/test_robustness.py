"""Every file of the robustness collection ends as its manifest says.

The collection is not part of the repository: PAGEMILL_EVAL_DATA names its folder.
"""

import csv
import os
from pathlib import Path

import pytest

from ingest.errors import DocumentRefused, IngestError
from ingest.sandbox import Sandbox

pytestmark = pytest.mark.skipif(
    "PAGEMILL_EVAL_DATA" not in os.environ, reason="needs PAGEMILL_EVAL_DATA"
)
DATA = Path(os.environ.get("PAGEMILL_EVAL_DATA", "")) / "robustness"


def rows() -> list[dict[str, str]]:
    manifest = DATA / "manifest.tsv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def read_all(sandbox: Sandbox, path: Path) -> int:
    """Draw every page; the number of pages."""
    pages = sandbox.split(path).page_count
    for number in range(1, pages + 1):
        page = sandbox.page(path, number)
        assert page.width > 0
        assert page.height > 0
    return pages


@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", rows(), ids=lambda row: Path(row["file"]).name)
def test_a_file_ends_as_the_manifest_says(sandbox: Sandbox, row: dict[str, str]) -> None:
    path = DATA / row["file"]
    if row["expected"] == "ok":
        low, _, high = row["pages"].partition("-")
        assert int(low) <= read_all(sandbox, path) <= int(high or low)
        return
    if row["expected"] == "error":
        with pytest.raises(DocumentRefused) as refusal:
            sandbox.split(path)
        assert refusal.value.message
        assert refusal.value.advice
        return
    try:
        read_all(sandbox, path)
    except IngestError as error:  # either way is right, but not by taking the child along
        assert not error.blames_page  # noqa: PT017
