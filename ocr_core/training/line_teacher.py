"""A frozen bigger recogniser reads unlabelled lines, once, for a student to learn from.

Two things come of it. *Soft labels*: the probabilities of each frame, brought to the student's
classes and frames (`soft_labels`). *Pseudo labels*: the text, which counts as much as the teacher
was sure of it; it needs no frames to agree. The teacher runs in an inference engine before
training starts: it has no gradients, and costs nothing while the student learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocr_core.bundle import Bundle
from ocr_core.charset import Charset
from ocr_core.geometry import FloatArray, ImageArray
from ocr_core.recognition import decode
from ocr_core.recognition.loss import steps_needed
from ocr_core.recognition.recognizer import padded_width
from ocr_core.runtime import BestPath, RuntimeOptions, Session, open_session
from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_batches import Ids, LineSet
from ocr_core.training.line_sets import LineForm
from ocr_core.training.line_store import LineStore, as_float, cut_lines
from ocr_core.training.skips import Skips
from ocr_core.training.soft_labels import FrameLabels, likeliest


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """How a student follows a teacher."""

    soft: float = 1.0
    """Weight of the divergence in each frame, summed over the frames of a line."""
    text: float = 1.0
    """Weight of CTC with what the teacher read; times its confidence."""
    confidence: float = 0.8
    """What a teacher's text must have to be learned at all."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the teacher says of a line."""

    frames: FrameLabels
    """In the student's classes."""
    text: str
    confidence: float
    """Mean over the characters, as everywhere; 0 if there are none."""


class LineTeacher:
    """A frozen recogniser that answers in the classes of its student."""

    def __init__(self, bundle: Bundle, charset: Charset, session: Session | None = None) -> None:
        """Opens the bundle in the fastest engine unless a session is given."""
        if bundle.charset is None:
            raise ValueError(f"{bundle.name} reads no text")
        self.height = int(bundle.profile["height"])
        self._stride = int(bundle.profile.get("stride", 8))
        self._characters = ("", *bundle.charset)
        self._session = session or open_session(bundle, RuntimeOptions(precision="fp32"))
        theirs = {character: n for n, character in enumerate(self._characters)}
        columns = [theirs.get(charset[n], -1) for n in range(charset.classes)]
        self._columns: NDArray[np.int64] = np.array(columns, np.int64)

    def read(self, line: ImageArray) -> Reading:
        """(height, W, 3) → its frames and text; frames of the padding are left out."""
        width = line.shape[1]
        batch = as_float([line], padded_width(width))
        probabilities: FloatArray = self._session.run(batch)[0]
        probabilities = probabilities[: max(1, -(-width // self._stride))]
        symbols = decode.symbols(_path(probabilities), self._characters)
        written = [s for s in symbols if not s.is_space]
        text = "".join(s.text for s in symbols)
        return Reading(likeliest(probabilities, self._columns), text, decode.confidence(written))


def read_by_teacher(
    teacher: LineTeacher, labels: Sequence[LineLabel], form: LineForm, skips: Skips
) -> tuple[LineStore, list[Reading]]:
    """Unlabelled lines at the student's height, and what the teacher says of each."""
    store, kept = cut_lines(labels, form.height, form.widest, skips)
    theirs = store
    if teacher.height != form.height:
        theirs = _cut_again([labels[n] for n in kept], teacher.height, form)
    return store, [teacher.read(theirs[n]) for n in range(len(theirs))]


def taught_lines(
    store: LineStore,
    readings: Sequence[Reading],
    charset: Charset,
    form: LineForm,
    distillation: Distillation,
    skips: Skips,
) -> LineSet:
    """Lines with the teacher's soft and pseudo labels.

    Texts that the teacher is not sure of, that the charset cannot write or that do not fit are
    counted and weigh 0; their frames are learned all the same.
    """
    texts, weights = [], []
    for reading, width in zip(readings, store.widths, strict=True):
        ids = _pseudo_label(reading, charset, form.steps(int(width)), distillation, skips)
        texts.append(ids)
        weights.append(distillation.text * reading.confidence if ids else 0.0)
    frames = tuple(reading.frames for reading in readings)
    return LineSet(store, tuple(texts), np.array(weights, np.float32), frames)


def _cut_again(labels: Sequence[LineLabel], height: int, form: LineForm) -> LineStore:
    """The same lines at another height."""
    store, kept = cut_lines(labels, height, -(-form.widest * (height + 1) // form.height), Skips())
    if len(kept) != len(labels):
        raise ValueError(f"{len(labels)} lines became {len(kept)} at a height of {height}")
    return store


def _pseudo_label(
    reading: Reading, charset: Charset, steps: int, distillation: Distillation, skips: Skips
) -> Ids:
    """The teacher's text as class ids; nothing if it cannot be learned."""
    if not reading.text or reading.confidence < distillation.confidence:
        skips.add("teacher_unsure", f"{reading.text[:40]!r} {reading.confidence:.2f}")
        return ()
    if missing := charset.missing(reading.text):
        skips.add("unknown_characters", f"{missing!r} in {reading.text[:40]!r}, by the teacher")
        return ()
    ids = tuple(charset.encode(reading.text))
    if steps_needed(ids) > steps:
        skips.add("too_long", f"{reading.text[:40]!r}, by the teacher")
        return ()
    return ids


def _path(probabilities: FloatArray) -> BestPath:
    ids = probabilities.argmax(axis=1).astype(np.int32)[None]
    best = np.take_along_axis(probabilities, ids.T.astype(np.int64), axis=1).T
    return BestPath(ids, best, probabilities[None, :, -1])
