"""From labels to lines that can be learned: charset, class ids, crops; the rest is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ocr_core.charset import Charset
from ocr_core.recognition.loss import steps_needed
from ocr_core.training.errors import EmptyTrainingSet
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_batches import Ids, LineSet
from ocr_core.training.line_store import cut_lines
from ocr_core.training.skips import Skips

CharsetOrigin = Literal["data", "parent", "both"]
SPACE = " "


@dataclass(frozen=True, slots=True)
class LineForm:
    """How lines are brought to a network."""

    height: int
    """Pixels."""
    widest: int
    """Pixels; wider lines are left out."""
    steps: Callable[[int], int]
    """Frames of the network for a line of so many columns."""


def choose_charset(
    origin: CharsetOrigin, labels: Iterable[LineLabel], parent: Sequence[str] | None
) -> Charset:
    """Characters of the labels, those of the parent, or the parent's and then those it lacks.

    The space is always among them, and last: there the reader looks for it.
    """
    if origin == "parent" and parent is not None:
        return Charset(parent)
    known = dict.fromkeys(parent or ()) if origin == "both" else {}
    written = sorted({character for label in labels for character in label.text})
    characters = [c for c in dict.fromkeys([*known, *written]) if c != SPACE]
    return Charset([*characters, SPACE])


def labelled_lines(
    labels: Sequence[LineLabel], charset: Charset, form: LineForm, skips: Skips
) -> LineSet:
    """Lines with their texts as class ids.

    Left out and counted: texts with characters outside the charset, texts with more characters
    than the line has frames, lines too small or too wide. Raises EmptyTrainingSet.
    """
    writable = [label for label in labels if _writable(label, charset, skips)]
    store, kept = cut_lines(writable, form.height, form.widest, skips)
    texts: list[Ids] = [tuple(charset.encode(writable[n].text)) for n in kept]
    fits = [
        steps_needed(ids) <= form.steps(int(w)) for ids, w in zip(texts, store.widths, strict=True)
    ]
    for number, good in zip(kept, fits, strict=True):
        if not good:
            skips.add("too_long", f"{writable[number].image} {writable[number].text[:40]!r}")
    chosen = np.flatnonzero(fits)
    if not len(chosen):
        raise EmptyTrainingSet("; ".join((f"{len(labels)} lines", *skips.lines())))
    ids = tuple(texts[n] for n in chosen)
    return LineSet(store.only(chosen), ids, np.ones(len(ids), np.float32))


def _writable(label: LineLabel, charset: Charset, skips: Skips) -> bool:
    if missing := charset.missing(label.text):
        skips.add("unknown_characters", f"{missing!r} in {label.text[:40]!r}, {label.image}")
    elif not label.text:
        skips.add("empty_text", str(label.image))
    return not missing and bool(label.text)
