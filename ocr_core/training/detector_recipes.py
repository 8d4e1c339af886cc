"""Ways to train a detector, as plain values.

The first ones are PP-OCRv2's (reference, sections 4.1, 4.2, 6.1 and 7): 960-pixel pictures, 1200
epochs of 97,000 pages, meant for GPUs. Their `steps` fit a set of a few thousand pages; set your
own. The `cpu-` ones train small students in minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ocr_core.detection.loss import PAPER, SHIPPED, DetectionLoss
from ocr_core.detection.mobilenet_db import MobileNetDB, MobileNetDBConfig
from ocr_core.detection.postprocess import BoxProfile
from ocr_core.detection.resnet_db import ResNetDB, ResNetDBConfig
from ocr_core.training.cml import CML, DISTILL, DML, LABELS_ONLY, Collaboration
from ocr_core.training.copy_paste import CopyPaste
from ocr_core.training.options import LoopOptions
from ocr_core.training.page_augment import PageAugment
from ocr_core.training.page_batches import PageNumbers

NetworkConfig = MobileNetDBConfig | ResNetDBConfig

IMAGENET: Mapping[str, Any] = {
    "order": "bgr",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRecipe:
    """Everything that decides a run but the data and the seed."""

    network: NetworkConfig | None = field(default_factory=MobileNetDBConfig)
    """Of the students; None: that of the model the run starts from."""
    students: int = 1
    loss: DetectionLoss = SHIPPED
    collaboration: Collaboration = LABELS_ONLY
    pages: PageNumbers = field(default_factory=PageNumbers)
    boxes: BoxProfile = field(default_factory=BoxProfile)
    """How boxes are made of the map, in evaluations and in the published model."""
    loop: LoopOptions = field(default_factory=lambda: LoopOptions(steps=20_000))

    def __post_init__(self) -> None:
        if self.students not in (1, 2):
            raise ValueError(f"students must be 1 or 2, got {self.students}")


def new_network(config: NetworkConfig) -> MobileNetDB | ResNetDB:
    """A network with random weights."""
    if isinstance(config, MobileNetDBConfig):
        return MobileNetDB(config)
    return ResNetDB(config)


def profile(recipe: DetectorRecipe) -> dict[str, Any]:
    """The numbers of pre- and post-processing that belong to what the recipe trains."""
    return {
        **IMAGENET,
        "multiple": 32,
        "threshold": recipe.boxes.threshold,
        "box_threshold": recipe.boxes.box_threshold,
        "unclip": recipe.boxes.unclip_ratio,
        "max_candidates": recipe.boxes.max_candidates,
    }


_PAGES = PageNumbers(augment=PageAugment(size=960, zoom=(0.5, 3.0)))
_LOOP = LoopOptions(steps=60_000, lr=1e-3, warmup_share=2 / 1200, evaluate_every=2000, workers=4)
STUDENT = DetectorRecipe(pages=_PAGES, loop=_LOOP)

_CPU_PAGES = PageNumbers(labelled=4, augment=PageAugment(size=224, zoom=(0.7, 1.5), rotation=5.0))
_CPU_LOOP = LoopOptions(steps=1000, lr=5e-3, warmup_share=0.05, clip=5.0)
CPU = DetectorRecipe(
    network=MobileNetDBConfig(size="small", scale=0.35, neck=48),
    loss=PAPER,
    pages=_CPU_PAGES,
    loop=_CPU_LOOP,
)

DETECTOR_RECIPES: Mapping[str, DetectorRecipe] = {
    "ppocrv2-det": STUDENT,
    "ppocrv2-det-paper-loss": replace(STUDENT, loss=PAPER),
    "ppocrv2-det-dml": replace(STUDENT, students=2, collaboration=DML),
    "ppocrv2-det-distill": replace(STUDENT, collaboration=DISTILL),
    "ppocrv2-det-cml": replace(STUDENT, students=2, collaboration=CML),
    "ppocrv2-det-cml-copypaste": replace(
        STUDENT,
        students=2,
        collaboration=CML,
        pages=replace(_PAGES, copy_paste=CopyPaste()),
    ),
    "ppocrv2-det-teacher": replace(STUDENT, network=ResNetDBConfig(depth=18)),
    "ppocrv2-det-teacher-50": replace(STUDENT, network=ResNetDBConfig(depth=50)),
    "cpu-det": CPU,
}
