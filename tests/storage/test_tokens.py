import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.tokens import BREAK, LONGEST_TOKEN, flow, fold, page_tokens, tokens

# Letters of many scripts, marks, widths, jamo, invisible characters, hyphens and blanks.
PIECES = st.text(
    alphabet=st.sampled_from(
        "aZé ß\u0301\u0327ÅﬁⅣ①ＡｂｶﾞﾊﾟカÀ\u1100\u1161\u11a8각"
        "增值税発ไทยकि\u200b\u200d\u00ad\ufe0f\u0345"
        "İΣς-\u2010'._\n\t\u3000\U000e0100\U00020bb7"
    ),
    max_size=12,
)


def test_chinese_is_pairs_and_the_last_character() -> None:
    assert tokens("增值税发票") == ["增值", "值税", "税发", "发票", "票"]
    assert tokens("税") == ["税"]


def test_words_are_letters_digits_and_their_marks() -> None:
    assert tokens("État-major, no. 3.5_x") == ["état", "major", "no", "3", "5", "x"]
    assert tokens("हिन्दी भाषा") == ["हिन्दी", "भाषा"]


def test_scripts_change_inside_a_word() -> None:
    assert tokens("第3章ABC") == ["第", "3", "章", "abc"]


def test_width_case_and_ligatures_do_not_matter() -> None:
    assert tokens("ＩＮＶＯＩＣＥ ﬁnal Straße ﾊﾟｿｺﾝ") == [
        "invoice",
        "final",
        "strasse",
        *["パソ", "ソコ", "コン", "ン"],
    ]


def test_invisible_characters_do_not_matter() -> None:
    assert tokens("in\u200bvoi\u00adce 葛\U000e0100城") == ["invoice", "葛城", "城"]


def test_blanks_between_chinese_characters_mean_nothing() -> None:
    assert tokens("发 票　号") == tokens("发票号")


def test_a_word_broken_by_a_hyphen_is_whole_and_its_parts_follow() -> None:
    assert page_tokens(["an exam-", "ple here"]) == ["an", "example", "here", "¶", "exam", "ple"]
    assert page_tokens(["well\u2010", "known"]) == ["wellknown", "¶", "well", "known"]
    assert page_tokens(["soft\u00ad", "ly"]) == ["softly", "¶", "soft", "ly"]


def test_a_word_may_be_broken_twice() -> None:
    assert page_tokens(["un-", "break-", "able"]) == ["unbreakable", "¶", "un", "break", "able"]


@pytest.mark.parametrize("lines", [["2019-", "2020"], ["a -", "b"], ["-", "b"], ["a-", ""]])
def test_other_hyphens_at_the_end_break_no_word(lines: list[str]) -> None:
    assert page_tokens(lines) == [word for line in lines for word in tokens(line)]


def test_chinese_runs_on_in_the_next_line() -> None:
    assert page_tokens(["增值", "税"]) == ["增值", "值税", "税"]
    assert page_tokens(["增值", "VAT", "税"]) == ["增值", "值", "vat", "税"]


def test_very_long_words_are_cut() -> None:
    (token,) = tokens("x" * 1000)
    assert len(token) == LONGEST_TOKEN


@given(PIECES)
def test_folding_piece_by_piece_is_folding_the_whole(text: str) -> None:
    assert flow([text]).text == fold(text.rstrip()) + "-" * text.rstrip().endswith("\u00ad")


@given(st.lists(PIECES, max_size=5))
def test_every_token_stands_where_it_says(lines: list[str]) -> None:
    page = flow(lines)
    assert len(page.origin) == len(page.text)
    for token in page.tokens:
        if token.text != "¶":
            assert token.text == page.text[token.start : token.end].replace(" ", "")
    places = [place[:2] for place in page.origin]
    assert places == sorted(places)
    for number, start, end in page.origin:
        assert 0 <= start < end <= len(lines[number])


@given(st.lists(st.text(), max_size=4))
def test_tokens_survive_being_joined_by_blanks_and_split_as_sqlite_does(lines: list[str]) -> None:
    for token in page_tokens(lines):
        assert token
        assert all(character.isalnum() or ord(character) > 127 for character in token)
        assert not any(
            "\ud800" <= character <= "\udfff" or character.isspace() for character in token
        )


@given(st.text())
def test_tokens_are_stable_under_folding(text: str) -> None:
    assert tokens(fold(text)) == tokens(text) or "\u00ad" in text


@given(st.lists(PIECES, max_size=6), st.data(), st.booleans())
def test_matches_are_where_tokens_follow_each_other(
    lines: list[str], data: st.DataObject, prefix: bool
) -> None:
    page = flow(lines)
    found = list(page.tokens)
    if not found:
        return
    start = data.draw(st.integers(0, len(found) - 1))
    words = [token.text for token in found[start : start + data.draw(st.integers(1, 3))]]
    if BREAK in words:
        return
    if prefix:
        words[-1] = words[-1][:1]
    expected = [
        (found[position], found[position + len(words) - 1])
        for position in range(len(found) - len(words) + 1)
        if [token.text for token in found[position : position + len(words) - 1]] == words[:-1]
        and (
            found[position + len(words) - 1].text.startswith(words[-1])
            if prefix
            else found[position + len(words) - 1].text == words[-1]
        )
    ]
    assert list(page.matches(words, prefix=prefix)) == expected
