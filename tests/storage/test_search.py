import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from storage.schema import PageText
from storage.search import Hit, reindex, search

Sessions = sessionmaker[Session]
Add = Callable[..., int]
Store = Callable[..., None]


@pytest.fixture
def find(sessions: Sessions) -> Callable[..., list[Hit]]:
    def find(query: str, **more: object) -> list[Hit]:
        with sessions() as session:
            return search(session, query, **more)  # type: ignore[arg-type]

    return find


Find = Callable[..., list[Hit]]


@pytest.fixture
def library(add: Add, store: Store) -> int:
    """One document of four pages."""
    document = add("税务/发票.pdf", 4)
    store(
        ["增值税发票", "Invoice number 12345", "The total is due in thirty days"],
        ["全国统一发票监制章", "total total total"],
        ["This is an exam-", "ple of a broken word, 增值", "税也是"],
        ["État des lieux", "due total"],
    )
    return document


def pages(hits: Sequence[Hit]) -> set[int]:
    return {hit.page_no for hit in hits}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("发票", {1, 2}),
        ("税发", {1}),
        ("票", {1, 2}),
        ("章", {2}),
        ("监制章", {2}),
        ("增值税发票", {1}),
        ("增值税", {1, 3}),
        ("值发", set()),
        ("INVOICE", {1}),
        ("ｉｎｖｏｉｃｅ", {1}),
        ("invoi", set()),
        ("invoi*", {1}),
        ("123*", {1}),
        ("total", {1, 2, 4}),
        ("total due", {1, 4}),
        ("due total", {1, 4}),
        ('"due total"', {4}),
        ('"total is due"', {1}),
        ('"total due"', set()),
        ('"is d"*', {1}),
        ("example", {3}),
        ("exam-ple", {3}),
        ('"an example of"', {3}),
        ("état", {1} - {1} | {4}),
        ("发票 total", {1, 2}),
        ("发票 nothing", set()),
        ("number-12345", {1}),
        ("¶", set()),
    ],
)
def test_what_a_query_finds(library: int, find: Find, query: str, expected: set[int]) -> None:
    assert pages(find(query)) == expected


def test_a_hit_tells_where_the_match_stands(library: int, find: Find) -> None:
    (hit,) = find("税发")
    assert (hit.document_id, hit.source) == (library, "/inbox/税务/发票.pdf")
    assert (hit.page_no, hit.line_no) == (1, 1)
    # five characters of 10 x 20 pixels
    assert hit.box == (0, 0, 50, 20)
    assert hit.polygon == [[0, 0], [50, 0], [50, 20], [0, 20]]
    assert (hit.snippet, hit.text) == ("增值[税发]票", "增值税发票")


def test_the_best_line_is_the_one_with_most_of_the_query(library: int, find: Find) -> None:
    (hit,) = [hit for hit in find("due total") if hit.page_no == 1]
    assert hit.line_no == 3
    assert hit.snippet == "The [total] is [due] in thirty days"


def test_a_match_over_two_lines_has_two_places(library: int, find: Find) -> None:
    (hit,) = find("example")
    assert hit.snippet == "This is an [exam-] [ple] of a broken word, 增值"
    assert [place.line_no for place in hit.places] == [1, 2]
    (hit,) = [hit for hit in find("值税") if hit.page_no == 3]
    assert hit.snippet == "ple of a broken word, 增[值] [税]也是"


def test_every_line_with_a_match_is_a_place(add: Add, store: Store, find: Find) -> None:
    add("a.pdf")
    store(["x", "word", "x", "a word", "x"])
    (hit,) = find("word")
    assert [place.line_no for place in hit.places] == [2, 4]
    assert [place.box[1] for place in hit.places] == [30, 90]


def test_one_character_marks_itself_not_its_pair(library: int, find: Find) -> None:
    assert {hit.snippet for hit in find("监")} == {"全国统一发票[监]制章"}


def test_a_prefix_marks_the_whole_word(library: int, find: Find) -> None:
    (hit,) = find("invoi*")
    assert hit.snippet == "[Invoice] number 12345"


def test_long_lines_are_cut_around_the_match(add: Add, store: Store, find: Find) -> None:
    add("a.pdf")
    store(["word " * 40 + "needle" + " word" * 40])
    (hit,) = find("needle", marks=("<b>", "</b>"))
    before, after = hit.snippet.split("<b>needle</b>")
    assert before.startswith("…")
    assert after.endswith("…")
    assert len(before) == len(after) == 61


def test_the_page_that_says_it_most_often_comes_first(library: int, find: Find) -> None:
    hits = find("total")
    assert hits[0].page_no == 2
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_limit_and_document_narrow_the_hits(
    library: int, add: Add, store: Store, find: Find
) -> None:
    other = add("other.pdf")
    store(["total"])
    assert len(find("total", limit=2)) == 2
    assert find("total", limit=0) == []
    assert [hit.document_id for hit in find("total", document=other)] == [other]


def test_pages_not_read_are_not_found(add: Add, find: Find) -> None:
    add("total.pdf")
    assert find("total") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(
        st.characters() | st.sampled_from('"*-:^(){}+AND OR NOT NEAR增税 \0\ud800'), max_size=40
    )
)
@example('"')
@example('"unclosed phrase')
@example("a AND OR NOT NEAR(b c)")
@example("tokens:x ^y -z {a b}")
@example('*"*"*')
@example("w " * 100_000)
def test_every_text_is_a_query(sessions: Sessions, query: str) -> None:
    with sessions() as session:
        search(session, query)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(line=st.text(st.sampled_from("增值税发票 ab3,-é"), min_size=1, max_size=20), data=st.data())
def test_whatever_a_line_says_is_found_in_it(
    sessions: Sessions, add: Add, store: Store, line: str, data: st.DataObject
) -> None:
    """Every stretch of a line that starts and ends where words do finds the page."""
    document = add(f"{line!r}.pdf")
    store([line])
    words = list(re.finditer(r"[^\s,-]+", line))
    if not words:
        return
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    query = '"' + line[words[first].start() : words[last].end()] + '"'
    with sessions() as session:
        hits = search(session, query, limit=1000, document=document)
    assert [hit.line_no for hit in hits] == [1]
    assert "[" in hits[0].snippet


def test_tokens_of_older_rules_are_made_anew(
    sessions: Sessions, library: int, find: Find, intact: Callable[[Session], None]
) -> None:
    with sessions.begin() as session:
        session.execute(update(PageText).values(tokens="old", tokens_version=0))
    assert find("发票") == []
    with sessions.begin() as session:
        assert [reindex(session, limit=3), reindex(session), reindex(session)] == [3, 1, 0]
    assert pages(find("发票")) == {1, 2}
    with sessions.begin() as session:
        intact(session)
