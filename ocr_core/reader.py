"""Reads a page: detect, crop, turn, recognise, order."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from ocr_core.bundle import Bundle, load_bundle
from ocr_core.detection.detector import Detector, DetectorProfile
from ocr_core.errors import ModelUnsuited
from ocr_core.geometry import (
    TALL,
    FloatArray,
    ImageArray,
    as_quad,
    crop,
    quad_size,
    rotate_points,
    taller,
)
from ocr_core.image import MAX_SIDE, shrink_to_side
from ocr_core.order import reading_order
from ocr_core.orientation.line_turn import LineTurn
from ocr_core.orientation.page import CERTAIN, page_rotation, weight
from ocr_core.page import PageResult, TextLine, Word
from ocr_core.recognition.recognizer import ReadLine, Recognizer
from ocr_core.runtime import RuntimeOptions, Session, open_session
from ocr_core.wheel import ModelKind

_ROLL = {0: 0, 90: 1, 180: 2, 270: -1}
"""Which corner comes first when a quad is read turned clockwise by so many degrees."""
_MARGIN = 0.1
"""Space above and below a line, in parts of its height: it reads better and, being narrower at a
height of 48 pixels, faster (docs/decisions.md, "Crops")."""
_SINGLE = 3.0
"""Height over width up to which a tall region may be one upright character, such as 1 or I."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions:
    """Which models read, on what, and what is kept."""

    detector: str = "ppocrv6-small-det"
    """Name or folder of a bundle, as for the next two."""
    recognizer: str = "ppocrv6-small-rec"
    line_orientation: str = "ppocr-mobile-line-orientation"
    engine: str = "auto"
    device: str = "cpu"
    precision: str = "auto"
    threads: int = 1
    min_confidence: float = 0.65
    """Lines read with less are dropped: leaves and bricks, or letters upside-down (.63 to .67)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderProvenance:
    """What made a result: enough to tell whether another reader would make the same."""

    detector: str
    detector_sha256: str
    recognizer: str
    recognizer_sha256: str
    line_orientation: str
    line_orientation_sha256: str
    engine: str
    precision: str
    parameters: Mapping[str, Any]
    """Every number of pre- and post-processing, as JSON values."""

    @property
    def parameter_sha256(self) -> str:
        """Hash of the parameters."""
        text = json.dumps(self.parameters, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


class Reader:
    """Networks made ready to read pages; belongs to one thread of one process."""

    def __init__(
        self,
        detector: Detector,
        recognizer: Recognizer,
        line_turn: LineTurn,
        provenance: ReaderProvenance,
        min_confidence: float = 0.65,
    ) -> None:
        self._detector = detector
        self._recognizer = recognizer
        self._line_turn = line_turn
        self._min_confidence = min_confidence
        self.provenance = provenance

    @classmethod
    def open(cls, options: ReaderOptions | None = None) -> Reader:
        """Load the models into their engine: call it after the fork, once a process.

        Raises ModelMissing, ModelDamaged, ModelUnsuited, EngineMissing or EngineUnsupported.
        """
        options = options or ReaderOptions()
        runtime = RuntimeOptions(
            engine=options.engine,
            device=options.device,
            precision=options.precision,
            threads=options.threads,
        )
        bundles = [_bundle(options, kind) for kind in get_args(ModelKind)]
        sessions = [open_session(bundle, runtime) for bundle in bundles]
        profile = DetectorProfile.of_bundle(bundles[0].profile)
        return cls(
            Detector(sessions[0], profile),
            Recognizer.of_bundle(sessions[1], bundles[1]),
            LineTurn(sessions[2]),
            _provenance(bundles, sessions[0], profile, options),
            options.min_confidence,
        )

    def read(self, image: ImageArray) -> PageResult:
        """(H, W, 3) uint8 RGB page of any size → its lines in reading order.

        Coordinates are pixels of the upright page: the image turned clockwise by
        `PageResult.rotation`. A blank page has no lines.
        """
        clock = StageClock()
        page, scale = shrink_to_side(image, MAX_SIDE)
        with clock.stage("detect"):
            quads = self._detector.find(page).quads
        lines = PageLines(page, quads, self._recognizer, clock)
        with clock.stage("orient"):
            rotation = page_rotation(
                quads, lines.read, lambda i: self._line_turn.upside_down(lines.crop(i, 0))
            )
        upright = [self._line(lines, number, rotation, scale) for number in range(len(quads))]
        with clock.stage("order"):
            kept = reading_order([line for line in upright if line is not None])
        height, width = image.shape[:2]
        if rotation in (90, 270):
            height, width = width, height
        return PageResult(width, height, tuple(kept), rotation, clock.seconds)

    def _line(self, lines: PageLines, number: int, rotation: int, scale: float) -> TextLine | None:
        turn, read = lines.best(number, rotation)
        if not read.text.strip() or read.confidence < self._min_confidence:
            return None
        return _text_line(read, lines.upright_quad(number, turn, rotation) / scale)


class PageLines:
    """The lines of one page; each is cut out and read at most once for each turn."""

    def __init__(
        self, image: ImageArray, quads: FloatArray, recognizer: Recognizer, clock: StageClock
    ) -> None:
        self._image = image
        self._quads = quads
        self._recognizer = recognizer
        self._clock = clock
        self._widths, self._heights = quad_size(quads)
        self._read: dict[tuple[int, int], ReadLine] = {}

    def crop(self, number: int, turn: int) -> ImageArray:
        """(height, W, 3) crop of a line turned clockwise, at the line's own width.

        The height is the recogniser's.
        """
        height = self._recognizer.scale.height
        along, across = self._widths[number], self._heights[number]
        if turn in (90, 270):
            along, across = across, along
        across = max(1.0, across * (1 + 2 * _MARGIN))
        width = int(np.clip(round(height * along / across), 8, MAX_SIDE))
        quad = taller(np.roll(self._quads[number], _ROLL[turn], axis=0), _MARGIN)
        with self._clock.stage("crop"):
            return crop(self._image, quad, (width, height))

    def read(self, number: int, turn: int) -> ReadLine:
        """What a line says when it is turned clockwise by 0, 90, 180 or 270 degrees."""
        key = number, turn
        if key not in self._read:
            line = self.crop(number, turn)
            with self._clock.stage("recognise"):
                self._read[key] = self._recognizer.read(line)
        return self._read[key]

    def best(self, number: int, rotation: int) -> tuple[int, ReadLine]:
        """The turn, on a page that has to be turned by `rotation`, in which a line reads best."""
        candidates: list[tuple[int, ReadLine]] = []
        for more in self._turns(number, rotation):
            turn = (rotation + more) % 360
            candidates.append((turn, self.read(number, turn)))
            if candidates[-1][1].confidence >= CERTAIN:
                return candidates[-1]
        return max(candidates, key=lambda c: weight([c[1]]))

    def _turns(self, number: int, rotation: int) -> tuple[int, ...]:
        """Turns to try, the likely one first: a tall region is a column or a line on its side."""
        width, height = self._widths[number], self._heights[number]
        if rotation in (90, 270):
            width, height = height, width
        if height < TALL * width:
            return (0,)
        return (0, 270, 90) if height < _SINGLE * width else (270, 90)

    def upright_quad(self, number: int, turn: int, rotation: int) -> FloatArray:
        """(4, 2) quad on the upright page, starting at the top-left corner of the text."""
        height, width = self._image.shape[:2]
        quad = np.roll(self._quads[number], _ROLL[turn], axis=0)
        return rotate_points(quad, (width, height), rotation)


class StageClock:
    """CPU seconds of this process by stage; a stage inside another counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time spent inside."""
        self._inner.append(0.0)
        start = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - start
            own = spent - self._inner.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            if self._inner:
                self._inner[-1] += spent


def _text_line(read: ReadLine, quad: FloatArray) -> TextLine:
    width = len(read.ink)
    words = tuple(
        Word(word.text, as_quad(_part(quad, word.start / width, word.end / width)), word.confidence)
        for word in read.words
    )
    return TextLine(read.text.strip(), as_quad(quad), read.confidence, words)


def _part(quad: FloatArray, start: float, end: float) -> FloatArray:
    """The piece of a quad between two fractions of its length."""
    top, bottom = quad[1] - quad[0], quad[2] - quad[3]
    above = quad[0] + top * start, quad[0] + top * end
    below = quad[3] + bottom * end, quad[3] + bottom * start
    return np.stack([*above, *below]).astype(np.float32)


def _bundle(options: ReaderOptions, kind: ModelKind) -> Bundle:
    bundle = load_bundle(getattr(options, kind))
    if bundle.kind != kind:
        raise ModelUnsuited(f"{bundle.name} is no {kind} but a {bundle.kind}")
    return bundle


def _provenance(
    bundles: list[Bundle], session: Session, profile: DetectorProfile, options: ReaderOptions
) -> ReaderProvenance:
    detector, recognizer, line_turn = bundles
    return ReaderProvenance(
        detector=detector.name,
        detector_sha256=detector.sha256,
        recognizer=recognizer.name,
        recognizer_sha256=recognizer.sha256,
        line_orientation=line_turn.name,
        line_orientation_sha256=line_turn.sha256,
        engine=session.engine,
        precision=session.precision,
        parameters={"detector": asdict(profile), "min_confidence": options.min_confidence},
    )
