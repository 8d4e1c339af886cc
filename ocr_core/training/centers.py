"""`pagemill train centers`: the class centres of a trained recogniser, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ocr_core.bundle import load_bundle, settled_name
from ocr_core.charset import Charset
from ocr_core.networks import RecognizerNetwork, load_network
from ocr_core.recognition.recognizer import LONGEST
from ocr_core.training.enhanced_ctc import save_centers
from ocr_core.training.errors import SettingRefused
from ocr_core.training.line_evaluation import centers_of
from ocr_core.training.line_sets import LineForm, labelled_lines
from ocr_core.training.skips import Skips
from ocr_core.training.sources import Sources


class WrittenCenters(NamedTuple):
    """What came of it."""

    known: int
    """Classes that occur in a line that was read correctly."""
    classes: int
    skips: Skips


def write_centers(name: str, sources: Sources, path: Path) -> WrittenCenters:
    """Mean features of each class over the lines the model reads without an error.

    Raises SettingRefused if the model reads no lines, and the errors of labels.
    """
    bundle = load_bundle(settled_name(name))
    network = load_network(bundle)
    if not isinstance(network, RecognizerNetwork) or bundle.charset is None:
        raise SettingRefused(f"{name} is a {bundle.kind} and reads no lines")
    skips = Skips()
    labels = sources.all_lines(skips)
    form = LineForm(network.height, LONGEST, network.steps)
    lines = labelled_lines(labels, Charset(bundle.charset), form, skips)
    centers = centers_of(network, lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_centers(centers, bundle.charset, path)
    return WrittenCenters(int(centers.known.sum()), len(centers.known), skips)
