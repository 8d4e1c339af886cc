"""hOCR, ALTO and PAGE: valid, and nothing of what was stored is lost on the way out and back."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import cos, radians, sin
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from ocr_core.page import Quad, TextLine, Word, box_of, quad_of
from storage.exports import alto, hocr, pagexml
from storage.pages import DocumentRef, PageRecord, ReadBy

MakeLine = Callable[..., TextLine]
SCHEMAS = Path(__file__).parent / "schemas"
XLINK = "http://www.loc.gov/standards/xlink/xlink.xsd"
DOCUMENT = DocumentRef(7, "a" * 64, '/inbox/"Müller" & 发票.pdf', "application/pdf", 9)
READ_BY = ReadBy("rec", "b" * 64, "det", "c" * 64, None, None, "openvino", "fp32", "d" * 64, "1.0")


def page(*lines: TextLine, page_no: int = 1) -> PageRecord:
    return PageRecord(
        document=DOCUMENT,
        page_no=page_no,
        state="done",
        lines=lines,
        width=1000,
        height=1400,
        dpi=200.0,
        rotation=0,
        text_source="ocr",
        verdict="none",
        mean_confidence=0.912345,
        seconds=0.5,
        image_sha256="e" * 64,
        error_code=None,
        error_message=None,
        read_by=READ_BY,
        read_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    )


def unread(page_no: int) -> PageRecord:
    """A page whose reading was given up."""
    return replace(
        page(page_no=page_no),
        state="quarantined",
        width=None,
        height=None,
        dpi=None,
        mean_confidence=None,
        error_code="page_damaged",
        error_message="It is <damaged> -- & gone.",
        read_by=None,
    )


def slanting(text: str, degrees: float, block: int = 0) -> TextLine:
    """A line of words of 40 x 20 pixels, turned around its start."""
    along = (cos(radians(degrees)), sin(radians(degrees)))

    def place(x: float, y: float) -> tuple[float, float]:
        return round(300 + x * along[0] - y * along[1], 1), round(
            500 + x * along[1] + y * along[0], 1
        )

    def quad(start: float, end: float) -> Quad:
        return place(start, 0), place(end, 0), place(end, 20), place(start, 20)

    words = [
        Word(word, quad(50 * at, 50 * at + 40), 0.9001 + at / 1000)
        for at, word in enumerate(text.split())
    ]
    return TextLine(text, quad(0, 50 * len(words)), 0.9, tuple(words), "ocr", block)


@pytest.fixture
def pages(make_line: MakeLine) -> list[PageRecord]:
    mixed = make_line("增值税 VAT <1>", x=12, y=30)
    return [
        page(mixed, make_line('"quoted" & more', y=60), slanting("three words slanting", 12.5, 1)),
        unread(2),
        page(slanting("מילה עברית", 180), page_no=3),
        page(page_no=4),
    ]


@dataclass(frozen=True)
class Read:
    """A word or line as it came back: text, corners to a tenth of a pixel, confidence."""

    text: str
    quad: Quad
    confidence: float | None


def stored(lines: tuple[TextLine, ...]) -> list[tuple[Read, list[Read]]]:
    return [
        (
            Read(line.text, line.quad, round(line.confidence, 4)),
            [Read(word.text, word.quad, round(word.confidence, 4)) for word in line.words],
        )
        for line in lines
    ]


def corners(numbers: list[float]) -> Quad:
    ax, ay, bx, by, cx, cy, dx, dy = (round(value, 1) for value in numbers)
    return (ax, ay), (bx, by), (cx, cy), (dx, dy)


def floats(text: str) -> list[float]:
    return [float(value) for value in re.findall(r"-?[\d.]+", text)]


# hOCR


def properties(title: str) -> dict[str, str]:
    """The properties of a title, after the grammar of hOCR 1.2, section 4."""
    value = r'(?:"(?:[^"\\]|\\.)*"|[^";]*?)'
    assert re.fullmatch(rf"[a-z_]+ {value}(?:; [a-z_]+ {value})*", title), title
    return dict(re.findall(rf"([a-z_]+) ({value})(?:; |$)", title))


def hocr_lines(page_element: etree._Element) -> Iterator[tuple[Read, list[Read]]]:
    for line in page_element.iterfind(".//*[@class='ocr_line']"):
        words = line.findall("*[@class='ocrx_word']")
        yield hocr_read(line), [hocr_read(word) for word in words]


def hocr_read(element: etree._Element) -> Read:
    known = properties(element.get("title", ""))
    quad = corners(floats(known["x_quad"]))
    return Read("".join(element.itertext()), quad, round(float(known["x_wconf"]) / 100, 4))


def test_hocr_gives_back_lines_words_places_and_confidence(pages: list[PageRecord]) -> None:
    root = etree.fromstring("".join(hocr.render(pages)).encode())
    elements = root.findall(".//*[@class='ocr_page']")
    assert [list(hocr_lines(element)) for element in elements] == [
        stored(each.lines) for each in pages
    ]


def test_hocr_pages_say_where_they_are_from_and_what_befell_them(pages: list[PageRecord]) -> None:
    root = etree.fromstring("".join(hocr.render(pages)).encode())
    first, spoilt, *_ = [
        properties(element.get("title", "")) for element in root.iterfind(".//*[@class='ocr_page']")
    ]
    assert first["image"] == r'"/inbox/\"Müller\" & 发票.pdf"'
    assert (first["bbox"], first["ppageno"], first["scan_res"]) == ("0 0 1000 1400", "0", "200 200")
    assert (spoilt["x_state"], spoilt["x_error"]) == ("quarantined", "page_damaged")


def test_hocr_boxes_are_whole_pixels_inside_each_other_and_ids_are_unique(
    pages: list[PageRecord],
) -> None:
    root = etree.fromstring("".join(hocr.render(pages)).encode())
    ids = [element.get("id") for element in root.iterfind(".//*[@id]")]
    assert len(ids) == len(set(ids)) > 20
    for inner in root.iterfind(".//*[@class='ocr_line']"):
        outer = inner.getparent()
        assert outer is not None
        x0, y0, x1, y1 = map(int, properties(inner.get("title", ""))["bbox"].split())
        X0, Y0, X1, Y1 = map(int, properties(outer.get("title", ""))["bbox"].split())
        assert X0 <= x0 <= x1 <= X1
        assert Y0 <= y0 <= y1 <= Y1


def test_hocr_declares_every_class_it_uses(pages: list[PageRecord]) -> None:
    root = etree.fromstring("".join(hocr.render(pages)).encode())
    (declared,) = [
        element.get("content", "").split()
        for element in root.iterfind(".//{*}meta")
        if element.get("name") == "ocr-capabilities"
    ]
    used = {element.get("class") for element in root.iterfind(".//*[@class]")}
    assert used <= set(declared)


# ALTO


@pytest.fixture(scope="module")
def alto_schema() -> etree.XMLSchema:
    class Local(etree.Resolver):
        def resolve(self, url: str, public: str, context: object) -> object:
            wanted = url == XLINK
            return self.resolve_filename(str(SCHEMAS / "xlink.xsd"), context) if wanted else None

    parser = etree.XMLParser()
    parser.resolvers.add(Local())
    return etree.XMLSchema(etree.parse(SCHEMAS / "alto-4-4.xsd", parser))


def alto_lines(page_element: etree._Element) -> Iterator[tuple[str, Quad, list[Read]]]:
    for line in page_element.iterfind(".//{*}TextLine"):
        words, text = [], ""
        for element in line.iterfind("*"):
            if element.tag.endswith("}SP"):
                text += " "
            if element.tag.endswith("}String"):
                content = element.get("CONTENT", "")
                text += content
                words.append(Read(content, alto_quad(element), float(element.get("WC", "nan"))))
        yield text, alto_quad(line), words


def alto_quad(element: etree._Element) -> Quad:
    polygon = element.find("{*}Shape/{*}Polygon")
    if polygon is not None:
        return corners(floats(polygon.get("POINTS", "")))
    x, y, width, height = (
        float(element.get(name, "nan")) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")
    )
    return corners([value for point in quad_of((x, y, x + width, y + height)) for value in point])


def test_alto_is_valid(pages: list[PageRecord], alto_schema: etree.XMLSchema) -> None:
    alto_schema.assertValid(etree.fromstring("".join(alto.render(pages)).encode()))


def test_alto_gives_back_lines_words_places_and_confidence(pages: list[PageRecord]) -> None:
    root = etree.fromstring("".join(alto.render(pages)).encode())
    for element, each in zip(root.iterfind(".//{*}Page"), pages, strict=True):
        assert list(alto_lines(element)) == [
            (line.text, line.quad, words) for line, words in stored(each.lines)
        ]


def test_alto_says_why_a_page_is_empty(pages: list[PageRecord]) -> None:
    root = etree.fromstring("".join(alto.render(pages)).encode())
    spoilt = root.findall(".//{*}Page")[1]
    assert spoilt.get("QUALITY") == "Damaged"
    detail = spoilt.get("QUALITY_DETAIL")
    assert detail == "quarantined: page_damaged: It is <damaged> -- & gone."


# PAGE


@pytest.fixture(scope="module")
def page_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "pagecontent-2019-07-15.xsd"))


def page_read(element: etree._Element) -> Read:
    equiv = element.find("{*}TextEquiv")
    assert equiv is not None
    quad = corners(floats(element.get("custom", "").removeprefix("quad")))
    return Read(equiv.findtext("{*}Unicode", ""), quad, float(equiv.get("conf", "nan")))


def page_lines(root: etree._Element) -> list[tuple[Read, list[Read]]]:
    return [
        (page_read(line), [page_read(word) for word in line.iterfind("{*}Word")])
        for line in root.iterfind(".//{*}TextLine")
    ]


def test_page_xml_is_valid(pages: list[PageRecord], page_schema: etree.XMLSchema) -> None:
    for each in pages:
        page_schema.assertValid(etree.fromstring(pagexml.render(each).encode()))


def test_page_xml_gives_back_lines_words_places_and_confidence(pages: list[PageRecord]) -> None:
    for each in pages:
        assert page_lines(etree.fromstring(pagexml.render(each).encode())) == stored(each.lines)


def test_page_xml_coordinates_are_the_places_in_whole_pixels(pages: list[PageRecord]) -> None:
    root = etree.fromstring(pagexml.render(pages[0]).encode())
    for line, element in zip(pages[0].lines, root.iterfind(".//{*}TextLine"), strict=True):
        points = floats(element.find("{*}Coords").get("points", ""))  # type: ignore[union-attr]
        assert points == [max(0, round(value)) for point in line.quad for value in point]


def test_page_xml_keeps_the_reading_order_and_the_time_of_reading(pages: list[PageRecord]) -> None:
    root = etree.fromstring(pagexml.render(pages[0]).encode())
    order = [ref.get("regionRef") for ref in root.iterfind(".//{*}RegionRefIndexed")]
    assert (
        order
        == [region.get("id") for region in root.iterfind(".//{*}TextRegion")]
        == [
            "r1",
            "r2",
        ]
    )
    assert root.findtext(".//{*}Created") == "2026-03-04T05:06:07+00:00"


# All of them


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
            *[st.floats(-50, 1000, allow_subnormal=False)] * 2,
            *[st.floats(0, 300, allow_subnormal=False)] * 2,
            st.integers(0, 2),
        ),
        max_size=6,
    )
)
def test_no_page_is_too_odd_for_the_schemas(
    alto_schema: etree.XMLSchema,
    page_schema: etree.XMLSchema,
    parts: list[tuple[str, float, float, float, float, int]],
) -> None:
    lines = [
        TextLine(words, quad, 0.5, (Word(words, quad, 0.5),), "ocr", block)
        for words, x, y, width, height, block in parts
        for quad in [quad_of((x, y, x + width, y + height))]
    ]
    odd = page(*lines)
    alto_schema.assertValid(etree.fromstring("".join(alto.render([odd])).encode()))
    page_schema.assertValid(etree.fromstring(pagexml.render(odd).encode()))
    etree.fromstring("".join(hocr.render([odd])).encode())


def test_a_line_whose_words_do_not_fit_its_text_is_written_whole(make_line: MakeLine) -> None:
    line = replace(make_line("a line of text"), words=(Word("other", quad_of((0, 0, 9, 9)), 0.3),))
    (back,) = page_lines(etree.fromstring(pagexml.render(page(line)).encode()))
    assert back == (Read(line.text, line.quad, 0.9), [Read(line.text, line.quad, 0.9)])


def test_nothing_read_is_still_a_file() -> None:
    for written in ("".join(hocr.render([])), "".join(alto.render([]))):
        etree.fromstring(written.encode())


def test_box_and_corners_agree() -> None:
    quad = quad_of((1, 2, 3, 4))
    assert quad_of(box_of(quad)) == quad
