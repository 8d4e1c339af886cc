import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_core.bundle import load_bundle
from ocr_core.charset import BLANK, Charset

CHARACTERS = st.characters(exclude_categories=["Cs"])
CHARSETS = st.lists(CHARACTERS, min_size=1, max_size=60, unique=True).map(Charset)


@pytest.fixture(scope="module")
def published() -> Charset:
    return Charset(load_bundle("ppocrv6-small-rec").charset or ())


@given(CHARSETS, st.data())
def test_what_is_encoded_is_decoded_again(charset: Charset, data: st.DataObject) -> None:
    text = "".join(data.draw(st.lists(st.sampled_from(charset.characters))))
    assert charset.decode(charset.encode(text)) == text


@given(CHARSETS, st.data())
def test_blanks_write_nothing(charset: Charset, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, charset.classes - 1)))
    assert charset.decode(ids) == charset.decode(i for i in ids if i != BLANK)


@given(CHARSETS, st.text(CHARACTERS))
def test_a_text_is_encoded_or_its_missing_characters_are_named(charset: Charset, text: str) -> None:
    missing = charset.missing(text)
    if not missing:
        assert len(charset.encode(text)) == len(text)
        return
    with pytest.raises(ValueError, match="not in the charset"):
        charset.encode(text)
    assert set(missing) == {c for c in text if c not in charset}
    assert len(missing) == len(set(missing))


def test_a_charset_holds_each_character_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Charset("aba")


@pytest.mark.parametrize("entry", ["", "ab"])
def test_an_entry_is_one_code_point(entry: str) -> None:
    with pytest.raises(ValueError, match="one code point"):
        Charset(["x", entry])


def test_a_class_beyond_the_charset_is_an_error_and_not_another_character() -> None:
    charset = Charset("ab")
    for wrong in (-1, 3):
        with pytest.raises(IndexError):
            charset.decode([wrong])


def test_equal_characters_make_equal_charsets() -> None:
    assert Charset("ab") == Charset(["a", "b"])
    assert len({Charset("ab"), Charset("ab"), Charset("ba")}) == 2


def test_the_published_charset_keeps_every_class_in_its_place(published: Charset) -> None:
    # blank + 18,708 entries + the ASCII space, which is the last class
    assert published.classes == 18_710
    assert [published[i] for i in (BLANK, 1, 33, 43, 69, 18_709)] == ["", "!", "0", "A", "a", " "]


def test_the_ideographic_space_is_not_stripped(published: Charset) -> None:
    assert published.encode("　") == [1749]


def test_the_published_charset_writes_all_of_ascii_but_not_everything(published: Charset) -> None:
    assert published.missing("".join(map(chr, range(32, 127)))) == ""
    assert published.missing("5 ㎡ ¡ ㎡") == "㎡¡"
