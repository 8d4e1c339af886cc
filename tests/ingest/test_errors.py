import re
from collections.abc import Iterator

import pytest

from ingest import errors
from ingest.errors import IngestError, OutOfMemory, SandboxCrashed


def kinds(base: type[IngestError] = IngestError) -> Iterator[type[IngestError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_error_has_a_sentence_a_code_and_an_advice(kind: type[IngestError]) -> None:
    error = kind("page 3")
    assert re.fullmatch(r"[A-Z][^\n]*\. \(page 3\)", error.message)
    assert re.fullmatch(r"[a-z_]+", kind.code)
    assert kind.advice.endswith(".")


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in kinds()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", list(kinds()))
def test_an_error_crosses_the_pipe(kind: type[IngestError]) -> None:
    again = IngestError.from_dict(kind("why").to_dict())
    assert type(again) is kind
    assert again.message == kind("why").message


def test_a_code_nobody_knows_is_a_broken_child() -> None:
    assert isinstance(IngestError.from_dict({"code": "root_shell"}), SandboxCrashed)


def test_only_what_kills_the_child_is_blamed_on_the_page() -> None:
    blamed = {kind.code for kind in kinds() if kind.blames_page}
    assert blamed == {"sandbox_died", "out_of_memory", "time_limit", "sandbox_crashed"}
    assert OutOfMemory.retryable
    assert not errors.DamagedFile.retryable
