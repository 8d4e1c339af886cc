import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import wire
from ingest.content import DocumentFacts, Image, PageContent, PageFacts
from ingest.errors import PageDamaged, SandboxCrashed
from ingest.media import Limits
from ocr_core.page import TextLine, Word, quad_of

LIMITS = Limits(max_pixels=1000, max_text_bytes=10_000)
IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


@pytest.fixture
def memory() -> Iterator[int]:
    descriptor = os.memfd_create("test")
    yield descriptor
    os.close(descriptor)


def page() -> PageContent:
    quad = quad_of((1.0, 2.0, 8.5, 4.25))
    line = TextLine("Grüße dir", quad, 1.0, (Word("Grüße", quad, 1.0),), "text_layer", 3)
    return PageContent(
        7, 5, 4, 200.0, "partial", IMAGE, lines=(line,), areas=((0.0, 0.0, 2.0, 2.0),)
    )


def sent(memory: int, fields: Any, image: Image | None = None) -> wire.Answer:
    return wire.get_answer(wire.put_answer(memory, fields, image), memory, LIMITS)


def test_a_page_arrives_as_it_was_sent_with_the_hash_of_its_pixels(memory: int) -> None:
    arrived = wire.checked_page(sent(memory, wire.page_fields(page()), IMAGE), memory, 7)
    assert arrived.image is not None
    assert (arrived.image == IMAGE).all()
    assert arrived.image_sha256 == hashlib.sha256(bytes(range(60))).hexdigest()
    assert arrived.lines == page().lines
    assert (arrived.page_no, arrived.width, arrived.height, arrived.dpi) == (7, 5, 4, 200.0)
    assert (arrived.verdict, arrived.areas) == ("partial", page().areas)


def test_a_page_without_colours_crosses_as_grey_and_is_given_in_rgb(memory: int) -> None:
    grey = IMAGE[:, :, 0]
    seen = replace(page(), pixels=grey)
    arrived = wire.checked_page(sent(memory, wire.page_fields(seen), grey), memory, 7)
    assert arrived.pixels is not None
    assert arrived.pixels.tolist() == grey.tolist()
    assert arrived.image is not None
    assert arrived.image.tolist() == [[[value] * 3 for value in row] for row in grey.tolist()]


def test_facts_arrive_as_they_were_sent(memory: int) -> None:
    pages = (PageFacts(1, 10.5, 20.0, 90), PageFacts(2, 3.0, 4.0))
    facts = DocumentFacts("image/tiff", 2, pages, repaired=True, title="Título")
    assert wire.checked_facts(sent(memory, wire.facts_fields(facts)), LIMITS) == facts


def test_an_error_arrives_as_an_exception(memory: int) -> None:
    refusal = PageDamaged("no content stream")
    announcement = wire.put_answer(memory, refusal.to_dict(), None, failed=True)
    with pytest.raises(PageDamaged, match="no content stream"):
        wire.raise_if_failed(wire.get_answer(announcement, memory, LIMITS))


@pytest.mark.parametrize(
    "announcement",
    [
        b"",
        b"PGM1",
        b"x" * wire.ANSWER.size,
        wire.ANSWER.pack(wire.MAGIC, 0, LIMITS.max_text_bytes + 1, 0),
        wire.ANSWER.pack(wire.MAGIC, 0, 2, 3 * LIMITS.max_pixels + 1),
        wire.ANSWER.pack(wire.MAGIC, 0, 2**63, 2**63),
    ],
)
def test_an_answer_beyond_the_limits_is_not_even_read(memory: int, announcement: bytes) -> None:
    with pytest.raises(SandboxCrashed):
        wire.get_answer(announcement, memory, LIMITS)


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"[" * 5000, b"\xff\xfe", b"nul"])
def test_an_answer_that_is_no_json_object_is_a_crash(memory: int, body: bytes) -> None:
    os.pwrite(memory, body, 0)
    with pytest.raises(SandboxCrashed):
        wire.get_answer(wire.ANSWER.pack(wire.MAGIC, 0, len(body), 0), memory, LIMITS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 6),
        ("width", -5),
        ("width", "5x"),
        ("height", 10**30),
        ("dpi", 0),
        ("dpi", float("nan")),
        ("verdict", "fine"),
        ("lines", [["text", [1, 2, 3], 0, []]]),
        ("lines", [["text", [float("inf")] * 8, 0, []]]),
        ("lines", [[b"".hex(), [0] * 8, 0, [[5, [0] * 8]]]]),
        ("lines", 3),
        ("areas", [[1, 2, 3]]),
    ],
)
def test_a_page_that_contradicts_itself_is_a_crash(memory: int, name: str, value: Any) -> None:
    fields = dict(wire.page_fields(page())) | {name: value}
    with pytest.raises(SandboxCrashed):
        wire.checked_page(sent(memory, fields, IMAGE), memory, 7)


def test_pixels_that_are_announced_but_not_there_are_a_crash(memory: int) -> None:
    wire.put_answer(memory, wire.page_fields(page()), None)
    length = os.fstat(memory).st_size
    answer = wire.get_answer(wire.ANSWER.pack(wire.MAGIC, 0, length, 60), memory, LIMITS)
    with pytest.raises(SandboxCrashed, match="end early"):
        wire.checked_page(answer, memory, 7)


@pytest.mark.parametrize("pages", [[], [[1, 2, 45]], [[1, 2]] * 3, "ab", [[None, 1, 0]]])
def test_facts_that_contradict_themselves_are_a_crash(memory: int, pages: Any) -> None:
    fields = dict(wire.facts_fields(DocumentFacts("image/png", 1, (PageFacts(1, 1, 1),))))
    with pytest.raises(SandboxCrashed):
        wire.checked_facts(sent(memory, fields | {"pages": pages}), LIMITS)


@given(st.text())
def test_text_is_cleaned_of_what_databases_refuse(text: str) -> None:
    cleaned = wire.clean(text + "\0\ud800")
    assert "\0" not in cleaned
    cleaned.encode()  # no lone surrogate is left


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_subnormal=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(st.sampled_from(sorted(wire.page_fields(page()))), json_values)
def test_whatever_a_field_holds_the_parent_gets_a_page_or_a_crash(name: str, value: Any) -> None:
    answer = wire.Answer(False, dict(wire.page_fields(page())) | {name: value}, 0, 0)
    try:
        wire.checked_page(answer, -1, 7)
    except SandboxCrashed:
        return
    assert name in ("image", "lines", "areas", "dpi", "verdict", "width", "height")
