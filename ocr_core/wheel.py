"""The three published models inside the rapidocr wheel: where they are and what is known of them.

rapidocr itself is never imported: its files are found through the metadata of the installed
package. Every fact is from design notes measured on these very files; the licence of the weights
is in NOTICE-PP-OCR.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ocr_core.errors import ModelMissing

ModelKind = Literal["detector", "recognizer", "line_orientation"]

PACKAGE = "rapidocr"
VERSION = "3.10.0"
ORIGIN = f"{PACKAGE} {VERSION} (PyPI), weights by Baidu and the PaddleOCR authors"
LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelModel:
    """One published ONNX graph and everything needed to use it."""

    name: str
    kind: ModelKind
    file: str
    """Path inside the wheel."""
    sha256: str
    architecture: str
    config: Mapping[str, Any]
    """Fields of the architecture's config class, as JSON values."""
    profile: Mapping[str, Any]
    """Numbers of pre- and post-processing that belong to these weights."""
    charset_sha256: str = ""
    """Of the dictionary in the graph's metadata: UTF-8, a newline after each entry."""
    metrics: Mapping[str, float] = field(default_factory=dict)


_IMAGENET = {"order": "bgr", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_CENTRED = {"order": "bgr", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}

MODELS = (
    WheelModel(
        name="ppocrv6-small-det",
        kind="detector",
        file="rapidocr/models/PP-OCRv6_det_small.onnx",
        sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        architecture="lcnetv4-db",
        config={
            "stem": 24,
            "widths": [48, 96, 192, 384],
            "depths": [2, 3, 5, 3],
            "attention": [[0], [1], [1, 3], [1]],
            "neck": 96,
            "kernel": 7,
        },
        profile={
            **_IMAGENET,
            "multiple": 32,
            "threshold": 0.3,
            "box_threshold": 0.6,
            "unclip": 1.6,
            "max_candidates": 3000,
        },
        metrics={"published_hmean": 0.841},
    ),
    WheelModel(
        name="ppocrv6-small-rec",
        kind="recognizer",
        file="rapidocr/models/PP-OCRv6_rec_small.onnx",
        sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        architecture="lcnetv4-light-svtr",
        config={
            "classes": 18710,
            "stem": 48,
            "widths": [96, 192, 384],
            "depths": [3, 7, 3],
            "attention": [[0], [1, 3, 5], [1]],
            "neck": 120,
            "blocks": 2,
            "heads": 8,
            "expansion": 2,
            "kernel": 7,
        },
        profile={**_CENTRED, "height": 48, "stride": 8},
        charset_sha256="b5f2bfe2bdd9448429e3e82b51c789775d9b42f2403d082b00662eb77e401c5d",
        metrics={"published_accuracy": 0.813},
    ),
    WheelModel(
        name="ppocr-mobile-line-orientation",
        kind="line_orientation",
        file="rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
        sha256="e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        architecture="mobilenetv3-line",
        config={"classes": 2, "stem": 8, "last": 200},
        profile={**_CENTRED, "height": 48, "width": 192, "labels": [0, 180], "threshold": 0.9},
    ),
)


def find(model: WheelModel) -> Path:
    """Where the graph lies on this machine; raises ModelMissing."""
    try:
        distribution = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise ModelMissing(f"{model.name} comes with {PACKAGE} {VERSION}") from error
    path = Path(str(distribution.locate_file(model.file)))
    if not path.is_file():
        raise ModelMissing(f"{model.name}: {PACKAGE} {distribution.version} has no {model.file}")
    return path


def read_dictionary(path: Path) -> str:
    """The dictionary text in a graph's metadata, entries divided by newlines; "" if it has none."""
    import onnx  # a tenth of a second, and only a recogniser needs it

    graph = onnx.load(path, load_external_data=False)
    return next((p.value for p in graph.metadata_props if p.key == "character"), "")
