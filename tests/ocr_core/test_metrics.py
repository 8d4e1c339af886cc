"""Figures by hand, and the same figures as the scorer of the evaluation data."""

from __future__ import annotations

import importlib.util
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ocr_core.metrics import (
    RegionCounts,
    TextCounts,
    cer,
    count_regions,
    count_text,
    detection_hmean,
    end_to_end_hmean,
    line_accuracy,
    match,
    normalised_edit_distance,
    wer,
)
from ocr_core.text_forms import bag_of_words, loose, normalised, relaxed, words


@dataclass(frozen=True)
class Area:
    polygon: NDArray[np.float32]
    text: str = ""
    ignore: bool = False


def box(x: float, y: float, width: float = 100, height: float = 20) -> NDArray[np.float32]:
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    return np.array(corners, np.float32)


TWO = [Area(box(0, 0), "Hello"), Area(box(0, 40), "汉字"), Area(box(0, 80), "###", ignore=True)]


def test_the_truth_as_prediction_is_perfect() -> None:
    counts = count_regions(TWO, TWO)
    assert (counts.labels, counts.predictions) == (2, 2)
    assert counts.detection.hmean == counts.end_to_end.hmean == counts.words.hmean == 1.0
    assert counts.one_minus_ned == 1.0


def test_nothing_found_where_something_is_scores_nothing() -> None:
    counts = count_regions(TWO, [])
    assert counts.detection.hmean == counts.end_to_end.hmean == counts.one_minus_ned == 0.0


def test_nothing_found_where_nothing_is_is_perfect() -> None:
    assert RegionCounts.sum([]).detection.hmean == 1.0
    assert count_regions([TWO[2]], []).detection.hmean == 1.0


def test_finding_what_is_ignored_is_neither_right_nor_wrong() -> None:
    assert count_regions(TWO, [TWO[2]]).predictions == 0
    # 60 of 100 pixels inside the ignored region do not count, 40 do
    assert count_regions(TWO, [Area(box(40, 80))]).predictions == 0
    assert count_regions(TWO, [Area(box(60, 80))]).predictions == 1


def test_a_label_inside_an_ignored_region_still_counts() -> None:
    truth = [Area(box(0, 0, 300, 60), ignore=True), Area(box(10, 10), "in")]
    counts = count_regions(truth, [Area(box(10, 10), "in"), Area(box(150, 30), "out")])
    assert (counts.predictions, counts.detection.hmean) == (1, 1.0)


def test_an_overlap_of_exactly_a_half_is_a_pair_and_less_is_none() -> None:
    assert count_regions([Area(box(0, 0))], [Area(box(0, 0, 50))]).pairs == 1
    assert count_regions([Area(box(0, 0))], [Area(box(0, 0, 49))]).pairs == 0


def test_each_label_is_found_once_the_best_prediction_first() -> None:
    # overlaps of the label with the two: 80 and 100 of 100
    pairs, counted = match([Area(box(0, 0))], [Area(box(0, 0, 80)), Area(box(0, 0))])
    assert pairs == [(0, 1)]
    assert counted == [0, 1]
    twice = count_regions(TWO, [area for area in TWO if not area.ignore] * 2)
    assert (twice.detection.recall, twice.detection.precision) == (1.0, 0.5)


def test_right_boxes_with_wrong_text_are_found_and_not_read() -> None:
    found = [Area(area.polygon, "zzzzz") for area in TWO]
    assert detection_hmean([(TWO, found)]) == 1.0
    assert end_to_end_hmean([(TWO, found)]) == 0.0


def test_half_right_text_earns_half() -> None:
    counts = count_regions([Area(box(0, 0), "abcd")], [Area(box(0, 0), "abxy")])
    # 2 of 4 characters replaced; one pair, nothing else
    assert counts.one_minus_ned == 0.5
    assert counts.soft.hmean == 0.5


def test_polygons_that_cross_themselves_are_mended() -> None:
    # a spike that goes back over itself: the rectangle is what is left
    spiked = np.concatenate([box(0, 0), np.array([[0, -40], [0, 0]], np.float32)])
    assert count_regions([Area(spiked)], [Area(box(0, 0))]).pairs == 1
    on_one_line = np.array([[0, 5], [50, 5], [100, 5]], np.float32)
    assert count_regions([Area(on_one_line)], [Area(on_one_line)]).pairs == 1


@pytest.mark.parametrize("points", [[[0, 0], [1, 1]], [[0, 0], [1, float("nan")], [2, 2]]])
def test_what_is_no_polygon_is_an_error(points: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="polygon"):
        count_regions([], [Area(np.array(points, np.float32))])


def test_character_errors_are_counted_over_the_length_of_the_references() -> None:
    # "kitten" to "sitting": 3 errors of 6 characters; "abcd" without one
    pairs = [("kitten", "sitting"), ("abcd", "abcd")]
    assert cer(pairs) == 0.3
    assert line_accuracy(pairs) == 0.5
    assert normalised_edit_distance(pairs) == pytest.approx((3 / 7 + 0) / 2)


def test_words_are_characters_in_scripts_without_spaces() -> None:
    assert words("the 汉字 42") == ["the", "汉", "字", "42"]
    assert wer([("the quick fox", "the quik fox")]) == pytest.approx(1 / 3)
    assert wer([("汉字", "汉子")]) == 0.5


def test_an_empty_reference_is_all_wrong_if_anything_was_read() -> None:
    assert count_text("", "").cer == 0.0
    assert count_text("", "ghost").cer == 1.0
    assert TextCounts().accuracy == 1.0


def test_forms_of_a_text() -> None:
    assert normalised("  ﬁne\u200b \n Ａ ") == "fine A"
    assert relaxed("It's 5 o'clock!") == "its5oclock"
    assert loose("“Doch” — exam-\nple") == '"doch" - example'
    assert bag_of_words("(total) Total, 12%") == {"total": 2, "12": 1}


def _scorer() -> ModuleType:
    given = os.environ.get("PAGEMILL_EVAL_SCORE")
    data = os.environ.get("PAGEMILL_EVAL_DATA")
    if given is None and data is None:
        pytest.skip("neither PAGEMILL_EVAL_SCORE nor PAGEMILL_EVAL_DATA is set")
    path = Path(given) if given else Path(str(data)).parent / "eval" / "score.py"
    if not path.is_file():
        pytest.skip(f"no scorer at {path}")
    spec = importlib.util.spec_from_file_location("pagemill_eval_score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _as_areas(regions: Sequence[dict[str, Any]]) -> list[Area]:
    return [
        Area(
            np.array(region["polygon"], float),
            region.get("text") or "",
            bool(region.get("ignore")) or region.get("text") == "###",
        )
        for region in regions
    ]


def _spoiled(regions: Sequence[dict[str, Any]], dice: random.Random) -> list[dict[str, Any]]:
    """What a middling reader would have made of labelled regions."""
    found = []
    for region in regions:
        chance = dice.random()
        if chance < 0.1:
            continue
        shift = dice.choice([0, 1, 3, 12])
        polygon = [
            [x + dice.uniform(-shift, shift), y + dice.uniform(-shift, shift)]
            for x, y in region["polygon"]
        ]
        text = region.get("text") or ""
        if chance > 0.6 and text:
            at = dice.randrange(len(text))
            text = text[:at] + dice.choice(["", "x", text[at].upper(), "— "]) + text[at + 1 :]
        found += [{"polygon": polygon, "text": text}] * (2 if chance > 0.97 else 1)
    return found


def test_the_figures_equal_those_of_the_scorer_on_real_labels() -> None:
    scorer, dice, compared = _scorer(), random.Random(20), 0
    data = os.environ.get("PAGEMILL_EVAL_DATA")
    if data is None:
        pytest.skip("PAGEMILL_EVAL_DATA is not set")
    theirs, ours = [], []
    for file in sorted(Path(data).glob("*/labels.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            label = json.loads(line)
            found = _spoiled(label["regions"], dice)
            theirs.append(scorer.score_image(label, {"regions": found}))
            ours.append(count_regions(_as_areas(label["regions"]), _as_areas(found)))
            assert _as_counts(ours[-1]) == pytest.approx(theirs[-1]), f"{file} {label['image']}"
            compared += 1
    assert compared
    expected, total = scorer.summarise(theirs), RegionCounts.sum(ours)
    assert total.detection.hmean == pytest.approx(expected["detection"]["hmean"])
    assert total.end_to_end.hmean == pytest.approx(expected["e2e_exact"]["hmean"])
    assert total.end_to_end_relaxed.hmean == pytest.approx(expected["e2e_relaxed"]["hmean"])
    assert total.one_minus_ned == pytest.approx(expected["e2e_ned"]["one_minus_ned"])
    assert total.soft.hmean == pytest.approx(expected["e2e_ned"]["soft_hmean"])
    assert total.words.hmean == pytest.approx(expected["text_bow"]["hmean"])


def _as_counts(counts: RegionCounts) -> dict[str, float]:
    return {
        "labels": counts.labels,
        "predictions": counts.predictions,
        "matched": counts.pairs,
        "exact": counts.exact,
        "relaxed": counts.relaxed,
        "soft": counts.similarity,
        "ned_sum": counts.similarity,
        "ned_n": counts.labels + counts.predictions - counts.pairs,
        "bow_tp": counts.words_right,
        "bow_ref": counts.words_wanted,
        "bow_hyp": counts.words_found,
    }


def test_the_page_figures_equal_those_of_the_scorer() -> None:
    scorer, dice = _scorer(), random.Random(3)
    texts = [
        "The 1st “line” – with a hy-\nphen.\n",
        "漢字とかなの混じった文章、ABC 123\n第二行",
        "",
        "ﬁnal\u00ad\nly ſo  much",
        "Ἐν ἀρχῇ ἦν ὁ λόγος, 50 %",
    ]
    pairs = [(text, _garbled(text, dice)) for text in (*texts, *texts)]
    pairs += [("", "ghost"), ("lost", "")]
    counts = [scorer.score_page(reference, read) for reference, read in pairs]
    for (reference, read), count in zip(pairs, counts, strict=True):
        rates, own = scorer.page_rates(count), count_text(reference, read)
        assert own.cer == pytest.approx(rates["cer"])
        assert own.wer == pytest.approx(rates["wer"])
        assert own.cer_loose == pytest.approx(rates["cer_loose"])
        assert own.bag_of_words.hmean == pytest.approx(rates["bow_f1"])
    micro = scorer.summarise_pages(counts)["micro"]
    total = TextCounts.sum(count_text(*pair) for pair in pairs)
    assert total.cer == pytest.approx(micro["cer"])
    assert total.bag_of_words.precision == pytest.approx(micro["bow_precision"])


def _garbled(text: str, dice: random.Random) -> str:
    return "".join(dice.choice([c, c, c, c, "", c.upper(), c + "'"]) for c in text)
