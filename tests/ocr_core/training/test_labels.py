"""Labels of every form come out the same, and what is wrong with one is said, not trained on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_core.training.errors import EmptyTrainingSet, LabelFormUnknown, LabelsUnreadable
from ocr_core.training.labelled import reading_quad
from ocr_core.training.labels import PageLabel, read_lines, read_pages
from ocr_core.training.readers import guess_form
from ocr_core.training.skips import EXAMPLES, Skips

QUAD = [[10, 10], [90, 12], [90, 30], [10, 28]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pages, 100 pixels wide and 60 high."""
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (100, 60), "white").save(tmp_path / "images" / name)
    return tmp_path


def write_jsonl(folder: Path, *records: object) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "labels.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def page(name: str, *regions: dict[str, object]) -> dict[str, object]:
    return {"image": f"images/{name}", "language": "en", "regions": list(regions)}


def region(polygon: object, text: object = "word", **more: object) -> dict[str, object]:
    return {"polygon": polygon, "text": text, **more}


def texts(pages: list[PageLabel]) -> list[tuple[str, str, bool]]:
    return [(p.image.name, r.text, r.ignore) for p in pages for r in p.regions]


def test_a_folder_of_our_own_form_is_read(folder: Path) -> None:
    write_jsonl(folder, page("a.png", region(QUAD, "Größe")), page("b.png", region(QUAD, "###")))
    pages, skips = read_pages(folder)
    assert texts(pages) == [("a.png", "Größe", False), ("b.png", "###", True)]
    assert pages[0].language == "en"
    assert np.array_equal(pages[0].regions[0].polygon, np.array(QUAD, np.float32))
    assert not skips


def test_a_page_without_text_is_a_page(folder: Path) -> None:
    pages, _ = read_pages(write_jsonl(folder, page("a.png"), page("b.png")))
    assert [len(p.regions) for p in pages] == [0, 0]


def test_every_fault_is_counted_under_its_reason_with_an_example(folder: Path) -> None:
    (folder / "images" / "cut.png").write_bytes((folder / "images" / "a.png").read_bytes()[:60])
    outside = [[x + 95, y] for x, y in QUAD]
    half_out = [[x + 45, y] for x, y in QUAD]
    write_jsonl(
        folder,
        page("gone.png", region(QUAD)),
        page("cut.png", region(QUAD)),
        page(
            "a.png",
            *(region(QUAD), region(outside, "far"), region(half_out, "half")),
            *(region(QUAD[:2]), region([[1, 1], [2, 2], [3, 3]]), region("nonsense")),
            *(region([[0, 0], [math.nan, 1], [9, 9]]), region(None), region([[1, 2], [3], [4, 5]])),
        ),
        {"image": "images/b.png"},
        {"image": "images/b.png", "regions": [region(QUAD, 5)]},
    )
    pages, skips = read_pages(folder)
    assert texts(pages) == [("a.png", "word", False), ("a.png", "half", False)]
    assert skips.counts == {
        "bad_record": 2,
        "missing_image": 1,
        "unreadable_image": 1,
        "region_outside": 1,
        "bad_polygon": 6,
    }
    assert "gone.png" in skips.examples["missing_image"][0]
    assert "'far'" in skips.examples["region_outside"][0]
    assert skips.total == 11


def test_nothing_left_is_an_error_that_says_why(folder: Path) -> None:
    write_jsonl(folder, page("gone.png", region(QUAD)))
    with pytest.raises(EmptyTrainingSet, match=r"1 skipped, missing_image"):
        read_pages(folder)
    write_jsonl(folder)
    with pytest.raises(EmptyTrainingSet):
        read_pages(folder)


def test_a_line_that_is_not_json_is_named(folder: Path) -> None:
    write_jsonl(folder, page("a.png"), "{oops")
    with pytest.raises(LabelsUnreadable, match=r"labels\.jsonl line 2 is not JSON"):
        read_pages(folder)
    (folder / "labels.jsonl").write_bytes(b'{"image": "\xff\xfe"}')
    with pytest.raises(LabelsUnreadable, match="utf-8"):
        read_pages(folder)


def test_lines_come_from_the_regions_of_pages(folder: Path) -> None:
    write_jsonl(
        folder,
        page(
            "a.png", region(QUAD, " two words "), region(QUAD, ""), region(QUAD, "x", ignore=True)
        ),
    )
    lines, skips = read_lines(folder)
    assert [(line.image.name, line.text) for line in lines] == [("a.png", "two words")]
    assert lines[0].quad == tuple(map(tuple, QUAD))
    assert skips.counts == {"empty_text": 1, "ignored": 1}


def test_lines_come_from_images_of_lines_too(folder: Path) -> None:
    write_jsonl(
        folder,
        {"image": "images/a.png", "text": "whole image"},
        {"image": "images/b.png", "text": "part", "quad": QUAD},
        {"image": "images/b.png", "text": "three corners", "quad": QUAD[:3]},
        {"image": "images/b.png", "text": "  "},
        {"image": "images/b.png"},
    )
    lines, skips = read_lines(folder)
    assert [(line.text, line.quad is None) for line in lines] == [
        ("whole image", True),
        ("part", False),
    ]
    assert skips.counts == {"bad_record": 2, "empty_text": 1}


def test_a_column_is_read_from_the_top_down_and_a_single_character_stands() -> None:
    column = np.array([[0, 0], [10, 0], [10, 50], [0, 50]], np.float32)
    # turned counter-clockwise: the top-right corner of the column begins the line
    assert reading_quad(column, "縦書き")[0].tolist() == [10, 0]
    assert reading_quad(column, "I")[0].tolist() == [0, 0]
    bent = np.array([[0, 0], [25, 2], [50, 0], [50, 10], [0, 10]], np.float32)
    assert reading_quad(bent, "bent").shape == (4, 2)


ICDAR = {
    "2015": "10,10,90,12,90,30,10,28,Größe, fein\n10,10,90,12,90,30,10,28,###\n",
    "MLT": "10,10,90,12,90,30,10,28,Latin,Größe, fein\n10,10,90,12,90,30,10,28,None,###\n",
    "2013": '10, 10, 90, 30, "Größe, fein"\r\n10, 10, 90, 30, "###"\r\n',
    "2013, spaced": '10 10 90 30 "Größe, fein"\n10 10 90 30 "###"\n',
}


@pytest.mark.parametrize("kind", ICDAR)
def test_icdar_labels_are_read(folder: Path, kind: str) -> None:
    (folder / "gt").mkdir()
    (folder / "gt" / "gt_a.txt").write_text(ICDAR[kind], encoding="utf-8-sig", newline="")
    (folder / "readme.txt").write_text("not labels\n")
    assert guess_form(folder) == "icdar"
    pages, skips = read_pages(folder)
    assert texts(pages) == [("a.png", "Größe, fein", False), ("a.png", "###", True)]
    assert pages[0].regions[0].polygon[0].tolist() == [10, 10]
    assert skips.counts == {"bad_record": 1}
    beside, _ = read_pages(folder / "gt")  # the images lie in a folder beside this one
    assert texts(beside) == texts(pages)


def test_the_nearest_of_two_images_with_one_name_is_meant(tmp_path: Path) -> None:
    for part, width in (("train", 200), ("test", 100)):
        (tmp_path / part).mkdir()
        Image.new("RGB", (width, 60)).save(tmp_path / part / "img_1.png")
        (tmp_path / part / "gt_img_1.txt").write_text(f"0,0,9,0,9,9,0,9,{part}\n")
    pages, _ = read_pages(tmp_path)
    assert {(p.image.parent.name, p.regions[0].text) for p in pages} == {
        ("train", "train"),
        ("test", "test"),
    }


def test_icdar_words_are_lines(folder: Path) -> None:
    (folder / "images" / "gt.txt").write_text(
        'a.png, "Genaxis Theatre"\nb.png, "a \\"quoted\\" word"\nnonsense\n', encoding="utf-8-sig"
    )
    lines, skips = read_lines(folder / "images")
    assert [line.text for line in lines] == ["Genaxis Theatre", 'a "quoted" word']
    assert skips.counts == {"bad_record": 1}


def test_an_icdar_label_without_its_image_is_counted(folder: Path) -> None:
    (folder / "gt_a.txt").write_text(ICDAR["2015"])
    (folder / "gt_lost.txt").write_text(ICDAR["2015"])
    assert read_pages(folder)[1].counts == {"missing_image": 1}


def test_paddle_labels_are_read(folder: Path) -> None:
    labels = [
        {"transcription": "Größe", "points": QUAD, "difficult": False},
        {"transcription": "###", "points": QUAD},
        {"transcription": "hard", "points": QUAD, "difficult": True},
        {"transcription": "flat", "points": [[1, 1], [5, 1]]},
    ]
    name = f"{folder.name}/images/a.png"  # PPOCRLabel names images from the folder above
    (folder / "Label.txt").write_text(
        f"{name}\t{json.dumps(labels, ensure_ascii=False)}\n{name}\t[{{}}]\n", encoding="utf-8"
    )
    assert guess_form(folder) == "paddle"
    pages, skips = read_pages(folder)
    assert texts(pages) == [
        ("a.png", "Größe", False),
        ("a.png", "###", True),
        ("a.png", "hard", True),
    ]
    assert skips.counts == {"bad_record": 1, "bad_polygon": 1}
    lines, _ = read_lines(folder)
    assert [line.text for line in lines] == ["Größe"]


def test_paddle_lines_are_read(folder: Path) -> None:
    (folder / "rec_gt.txt").write_text("images/a.png\tone\ttwo\nimages/b.png no tab\n")
    for path in (folder, folder / "rec_gt.txt"):
        lines, skips = read_lines(path)
        assert [(line.image.name, line.text) for line in lines] == [("a.png", "one\ttwo")]
        assert skips.counts == {"bad_record": 1}


NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def page_xml(lines: str, image: str = "images/a.png", prologue: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{prologue}<PcGts xmlns="{NAMESPACE}">'
        f'<Page imageFilename="{image}"><TextRegion><Coords points="0,0 9,0 9,9"/>{lines}'
        "</TextRegion></Page></PcGts>"
    )


LINE = (
    '<TextLine><Coords points="10,10 90,12 90,30 10,28"/>'
    "<Word><TextEquiv><Unicode>no line</Unicode></TextEquiv></Word>"
    '<TextEquiv index="1"><Unicode>worse</Unicode></TextEquiv>'
    '<TextEquiv index="0"><Unicode>Größe</Unicode></TextEquiv></TextLine>'
)


def test_page_xml_is_read(folder: Path) -> None:
    points = '<Point x="1" y="2"/><Point x="9" y="2"/><Point x="5" y="9"/>'
    old = f"<TextLine><Coords>{points}</Coords></TextLine>"
    lost = '<TextLine><Coords points="a,b c,d"/></TextLine><TextLine/>'
    (folder / "a.xml").write_text(page_xml(LINE + old + lost), encoding="utf-8")
    assert guess_form(folder) == "page-xml"
    pages, skips = read_pages(folder)
    assert texts(pages) == [("a.png", "Größe", False), ("a.png", "", False)]
    assert skips.counts == {"bad_polygon": 2}
    assert [line.text for line in read_lines(folder)[0]] == ["Größe"]


def test_page_xml_finds_an_image_of_its_own_name(folder: Path) -> None:
    (folder / "images" / "b.xml").write_text(page_xml(LINE, image="elsewhere.tif"))
    assert read_pages(folder)[0][0].image.name == "b.png"


HOSTILE = {
    "entities": '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
    "a file of this machine": '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
    "a remote type": '<!DOCTYPE a [<!ENTITY % d SYSTEM "http://127.0.0.1:9/x.dtd">%d;]>',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml_is_left_out_and_named(folder: Path, kind: str) -> None:
    line = LINE.replace("Größe", "&a;")
    (folder / "bad.xml").write_text(page_xml(line, prologue=HOSTILE[kind]), encoding="utf-8")
    (folder / "good.xml").write_text(page_xml(LINE), encoding="utf-8")
    (folder / "torn.xml").write_text(page_xml(LINE)[:-20], encoding="utf-8")
    (folder / "other.xml").write_text("<html/>", encoding="utf-8")
    pages, skips = read_pages(folder)
    assert texts(pages) == [("a.png", "Größe", False)]
    assert skips.counts == {"bad_record": 3}
    assert any("bad.xml" in example for example in skips.examples["bad_record"])


def test_what_cannot_be_guessed_is_asked_for(folder: Path) -> None:
    with pytest.raises(LabelFormUnknown):
        read_pages(folder)
    with pytest.raises(LabelFormUnknown, match="does not exist"):
        read_pages(folder / "nowhere")
    (folder / "things.csv").write_text("a,b\n")
    with pytest.raises(LabelFormUnknown):
        read_lines(folder / "things.csv")


def test_many_skips_are_named_by_a_few() -> None:
    skips, more = Skips(), Skips()
    for number in range(EXAMPLES + 3):
        skips.add("too_long", f"line {number}")
    more.add("too_long", "another", count=2)
    skips.merge(more)
    assert skips.counts == {"too_long": EXAMPLES + 5}
    lines = list(skips.lines())
    assert lines[0].startswith("10 skipped, too_long: the text has more characters")
    assert lines[-1] == "  … and 5 more"
    assert len(lines) == EXAMPLES + 2


def test_real_labels_are_read_without_a_skip(real_images: list[Path]) -> None:
    for image in real_images:
        pages, skips = read_pages(image.parent.parent)
        assert any(page.image == image for page in pages)
        assert not skips
