"""Whether a text layer is true: whether it says what the page shows, all of it, and is seen.

The verdicts are described at ingest.content.Verdict. A layer is judged line by line:

1. What lies outside the page, leaves no paint, is too small to read, is covered by a picture
   painted later or does not stand out from what is around it, is hidden.
2. What is left is judged font by font (ingest.plausible): lines in broken fonts are garbage.
3. What remains is true. Where the drawn page shows text that no true line covers, in a picture,
   in outlines or under garbage, are the areas that have to be read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from ingest import ink
from ingest.content import Verdict
from ingest.layer import Glyph, Layer, LayerLine, Picture, around
from ingest.plausible import is_garbage, is_unmapped
from ocr_core.page import Box, TextLine, Word, box_of, quad_of

_COVERED = 0.8
"""Share of a line under a later picture that hides it."""
_OWN_SAMPLE = 30
"""Characters of a font that is judged alone; rarer fonts are judged together."""
_BAD_SHARE = 0.2
"""Of the characters of a line in broken fonts, to take it for garbage."""
_NAMELESS = 0.3
_WORD = 3
_MOST = 0.5
_LARGE_PICTURE = 0.25
"""Share of the page above which a picture with anything in it is read."""
_OVERLAP = 0.5
_TWIN = 0.7


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a text layer was found to be."""

    verdict: Verdict
    lines: tuple[LayerLine, ...] = ()
    """The true ones."""
    areas: tuple[Box, ...] = ()
    """In points; where only reading can tell. Empty: everywhere, unless the verdict is true."""


def judge(layer: Layer, page: Box, grey: ink.Grey, scale: float, legible: float) -> Judgement:
    """Judge a layer against `grey`, the drawn page at `scale` pixels a point.

    `legible` is the least font size, in points, that can be read when the page is drawn to be
    read. A page on which nothing is drawn is `blank`, whatever its layer says.
    """
    if ink.is_uniform(grey):
        return Judgement("blank")
    written = [line for line in layer.lines if not line.text.isspace()]
    visible = _seen(written, layer.pictures, page, grey, scale, legible)
    seen = _distinct(visible)
    fonts = _broken_fonts(seen)
    true = [line for line in seen if not _is_broken(line, fonts)]
    broken = [line for line in seen if _is_broken(line, fonts)]
    hidden = _count(written) - _count(visible)
    if _count(written) == 0:
        return Judgement("none")
    areas = _areas(true, broken, layer.pictures, page, grey, scale)
    if true and not areas:
        return Judgement("true", tuple(true))
    if hidden > max(_MOST * _count(written), _count(broken)):
        return Judgement("hidden", tuple(true))
    if _count(broken) > _MOST * _count(seen) or not true:
        return Judgement("garbage", tuple(true))
    return Judgement("partial", tuple(true), areas)


def join(
    layer: Sequence[TextLine], read: Sequence[TextLine], areas: Sequence[Box] = ()
) -> list[TextLine]:
    """Lines of a text layer and those read lines, or parts of them, that say something else.

    A word that was read where the layer has one is left out. With `areas`, so is a line whose
    middle lies in none of them. The caller puts the lines in order.
    """
    taken = np.array([box_of(word.quad) for line in layer for word in _words(line)]).reshape(-1, 4)
    wanted = (line for line in read if not areas or _lies_in(line.box, areas))
    added = (_without_words(line, taken) for line in wanted)
    return [*layer, *(line for line in added if line is not None)]


def _seen(
    lines: Iterable[LayerLine],
    pictures: Sequence[Picture],
    page: Box,
    grey: ink.Grey,
    scale: float,
    legible: float,
) -> list[LayerLine]:
    seen = []
    for line in lines:
        inside = _inside(line, page)
        painted = [g for g in inside if g.size > legible and _is_painted(g, pictures)]
        if all(glyph.text.isspace() for glyph in painted):
            continue
        shown = line.with_glyphs(painted)
        is_hidden = any(_hides(picture, shown) for picture in pictures)
        if not is_hidden and ink.shows(grey, _scaled(shown.box, scale)):
            seen.append(shown)
    return seen


def _inside(line: LayerLine, page: Box) -> Sequence[Glyph]:
    if line.box[0] >= 0 and line.box[1] >= 0 and line.box[2] <= page[2] and line.box[3] <= page[3]:
        return line.glyphs
    return [glyph for glyph in line.glyphs if _lies_in(glyph.box, (page,))]


def _hides(picture: Picture, line: LayerLine) -> bool:
    later = picture.opaque and picture.order > line.order
    return later and _shared(line.box, picture.box) > _COVERED


def _is_painted(glyph: Glyph, pictures: Sequence[Picture]) -> bool:
    """Whether a glyph leaves paint. One that only clips may shape a colour, but not a scan."""
    if glyph.painted or glyph.text.isspace():
        return True
    over = (_shared(glyph.box, picture.box) > _OVERLAP for picture in pictures)
    return glyph.clips and not any(over)


def _distinct(lines: Iterable[LayerLine]) -> list[LayerLine]:
    """Lines without those drawn a second time, for a shadow or to look bold."""
    kept: list[LayerLine] = []
    places: dict[str, list[Box]] = defaultdict(list)
    for line in lines:
        same = places[line.text.strip()]
        if not any(_shared(line.box, other) > _TWIN for other in same):
            same.append(line.box)
            kept.append(line)
    return kept


def _broken_fonts(lines: Iterable[LayerLine]) -> set[str]:
    samples: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        for font, run in groupby(line.glyphs, key=lambda glyph: glyph.font):
            samples[font].add("".join(glyph.text for glyph in run))
    texts = {font: "\n".join(sorted(parts)) for font, parts in samples.items()}
    broken = {font for font, text in texts.items() if _is_nameless(text)}
    rare = {font for font, text in texts.items() if len("".join(text.split())) < _OWN_SAMPLE}
    broken |= {font for font, text in texts.items() if font not in rare and is_garbage(text)}
    rare -= broken
    if is_garbage("\n".join(texts[font] for font in sorted(rare))):
        broken |= rare
    return broken


def _is_nameless(text: str) -> bool:
    """Whether a good part of a font's characters has no name: icons, or glyph numbers."""
    characters = [character for character in text if not character.isspace()]
    return sum(map(is_unmapped, characters)) > _NAMELESS * len(characters)


def _is_broken(line: LayerLine, fonts: set[str]) -> bool:
    glyphs = [glyph for glyph in line.glyphs if not glyph.text.isspace()]
    bad = sum(glyph.font in fonts for glyph in glyphs)
    unmapped = sum(is_unmapped(glyph.text[0]) for glyph in glyphs)
    return bad > _BAD_SHARE * len(glyphs) or unmapped > max(1, _NAMELESS * len(glyphs))


def _areas(
    true: Sequence[LayerLine],
    broken: Sequence[LayerLine],
    pictures: Sequence[Picture],
    page: Box,
    grey: ink.Grey,
    scale: float,
) -> tuple[Box, ...]:
    """Where the page shows text that no true line covers, in points.

    One or two glyphs in a broken font are icons rather than text.
    """
    covered = [_scaled(box, scale) for line in true for box in _boxes(line)]
    large = (picture.box for picture in pictures if _shared(page, picture.box) > _LARGE_PICTURE)
    scans = (_scaled(box, scale) for box in large)
    found = [box for box in scans if ink.is_busy(grey, box, covered)]
    found += ink.uncovered_text(grey, covered)
    areas = [_scaled(box, 1 / scale) for box in found]
    areas += [line.box for line in broken if _count([line]) >= _WORD]
    return tuple(_apart(_clipped(area, page) for area in areas))


def _apart(boxes: Iterable[Box]) -> list[Box]:
    """Boxes that cover the same and do not meet, so that nothing is read twice."""
    apart: list[Box] = []
    for box in boxes:
        while met := [other for other in apart if _meet(box, other)]:
            box = around([box, *met])
            apart = [other for other in apart if other not in met]
        apart.append(box)
    return apart


def _meet(box: Box, other: Box) -> bool:
    across = box[0] < other[2] and other[0] < box[2]
    return across and box[1] < other[3] and other[1] < box[3]


def _clipped(box: Box, page: Box) -> Box:
    x0, y0, x1, y1 = box
    return max(x0, page[0]), max(y0, page[1]), min(x1, page[2]), min(y1, page[3])


def _scaled(box: Box, scale: float) -> Box:
    x0, y0, x1, y1 = box
    return x0 * scale, y0 * scale, x1 * scale, y1 * scale


def _count(lines: Iterable[LayerLine]) -> int:
    return sum(not glyph.text.isspace() for line in lines for glyph in line.glyphs)


def _boxes(line: LayerLine) -> list[Box]:
    """One box for an upright line; one for each character of a slanting one."""
    upright = abs(line.direction[0]) > 0.99 or abs(line.direction[1]) > 0.99
    return [line.box] if upright else [glyph.box for glyph in line.glyphs]


def _shared(box: Box, other: Box) -> float:
    """Share of a box that another covers."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0.0) * max(height, 0.0) / area if area > 0 else 0.0


def _lies_in(box: Box, areas: Iterable[Box]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in areas)


def _words(line: TextLine) -> tuple[Word, ...]:
    return line.words or (Word(line.text, line.quad, line.confidence),)


def _without_words(line: TextLine, taken: npt.NDArray[np.float64]) -> TextLine | None:
    """The line without the words that lie on `taken` boxes (N, 4); None if none is left."""
    words = _words(line)
    left = [word for word in words if _overlap(box_of(word.quad), taken) <= _OVERLAP]
    if len(left) == len(words):
        return line
    if not left:
        return None
    corners = [corner for word in left for corner in word.quad]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    box = (min(xs), min(ys), max(xs), max(ys))
    confidence = sum(word.confidence for word in left) / len(left)
    text = _text_of(line.text, words, left)
    return replace(line, text=text, quad=quad_of(box), confidence=confidence, words=tuple(left))


def _overlap(box: Box, taken: npt.NDArray[np.float64]) -> float:
    """Share of a box under the boxes of `taken`, which do not cover each other."""
    x0, y0, x1, y1 = box
    width = np.minimum(x1, taken[:, 2]) - np.maximum(x0, taken[:, 0])
    height = np.minimum(y1, taken[:, 3]) - np.maximum(y0, taken[:, 1])
    area = max((x1 - x0) * (y1 - y0), 1e-9)
    return float((width.clip(0) * height.clip(0)).sum() / area)


def _text_of(text: str, words: Sequence[Word], left: Sequence[Word]) -> str:
    """The text of a line without the words that are not left, its spaces kept elsewhere."""
    at, kept = 0, []
    for word in words:
        start = max(text.find(word.text, at), at)
        kept.append(text[at:start])
        if any(word is other for other in left):
            kept.append(word.text)
        at = start + len(word.text)
    return re.sub(r"\s+", " ", "".join(kept) + text[at:]).strip()
