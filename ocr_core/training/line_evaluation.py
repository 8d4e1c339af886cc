"""Reading lines in training: to measure on held-out ones, and to find class centres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ocr_core.charset import Charset
from ocr_core.metrics import TextCounts, count_texts
from ocr_core.networks import RecognizerNetwork
from ocr_core.recognition.decode import collapse
from ocr_core.recognition.outputs import RecognizerOutputs
from ocr_core.recognition.recognizer import LONGEST, padded_width
from ocr_core.training.enhanced_ctc import Centers, compute_centers
from ocr_core.training.errors import EmptyTrainingSet
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_batches import LineSet
from ocr_core.training.line_sets import LineForm
from ocr_core.training.line_store import as_float, cut_lines
from ocr_core.training.skips import Skips

READ_AT_ONCE = 32
"""Lines in one pass of an evaluation."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Lines to measure on, cut out, with what they say."""

    lines: LineSet
    texts: tuple[str, ...]


def centers_of(network: RecognizerNetwork, lines: LineSet) -> Centers:
    """Class centres of a network: means over the lines it reads correctly, unchanged lines."""
    learning = network.training
    network.eval()
    try:
        with torch.no_grad():
            return compute_centers(_passes(network, lines))
    finally:
        network.train(learning)


def _passes(
    network: RecognizerNetwork, lines: LineSet
) -> Iterator[tuple[RecognizerOutputs, list[tuple[int, ...]]]]:
    device = next(network.parameters()).device
    for numbers in _by_width(lines, READ_AT_ONCE):
        crops = [lines.store[int(n)] for n in numbers]
        width = padded_width(max(crop.shape[1] for crop in crops))
        images = torch.from_numpy(as_float(crops, width)).to(device)
        images = images.contiguous(memory_format=torch.channels_last)
        yield network.outputs(images), [lines.texts[int(n)] for n in numbers]


def read_lines_with(network: RecognizerNetwork, lines: LineSet, charset: Charset) -> list[str]:
    """What a network in eval mode reads on lines, in their order."""
    texts: dict[int, str] = {}
    with torch.no_grad():
        numbers = _by_width(lines, READ_AT_ONCE)
        for some, (outputs, _) in zip(numbers, _passes(network, lines), strict=True):
            paths = outputs.logits.argmax(dim=2).tolist()
            read = [charset.decode(collapse(path)) for path in paths]
            texts |= dict(zip(map(int, some), read, strict=True))
    return [texts[number] for number in range(len(lines))]


def read_counts(network: RecognizerNetwork, held_out: HeldOut, charset: Charset) -> TextCounts:
    """How well a network reads held-out lines."""
    read = read_lines_with(network, held_out.lines, charset)
    return count_texts(zip(held_out.texts, read, strict=True))


def cut_held_out(labels: Sequence[LineLabel], form: LineForm, skips: Skips) -> HeldOut:
    """Lines to measure on; unlike those to learn from, whatever their texts say.

    A line is left out only if it cannot be cut: a character the network cannot write is an error
    of its. Raises EmptyTrainingSet.
    """
    store, kept = cut_lines(labels, form.height, LONGEST, skips)
    if not kept:
        raise EmptyTrainingSet("; ".join((f"{len(labels)} held-out lines", *skips.lines())))
    lines = LineSet.unread(store)
    return HeldOut(lines, tuple(labels[n].text for n in kept))


def figures_of(counts: TextCounts) -> dict[str, float]:
    """The figures of a recogniser in training; the first is the one runs are compared by."""
    return {
        "character_accuracy": 1 - counts.cer,
        "line_accuracy": counts.accuracy,
        "cer": counts.cer,
        "one_minus_ned": counts.one_minus_ned,
    }


def _by_width(lines: LineSet, size: int) -> Iterator[NDArray[np.int64]]:
    """Numbers of lines by rising width, `size` at a time: little padding."""
    order = np.argsort(lines.store.widths, kind="stable")
    for first in range(0, len(order), size):
        yield order[first : first + size]
