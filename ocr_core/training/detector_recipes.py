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
from ocr_core.detection.targets import TargetProfile
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


V6_TARGETS = TargetProfile(shrink_ratio=0.6, min_height=6.0)
"""As PP-OCRv6 was trained to see text in the end (reference, 2.6: dynamic shrink ratio). Of the
ratios from 0.3 to 0.8, maps of v6-small agree best with labels shrunk by 0.6 (Dice 0.82; 0.72 with
0.4), so students it teaches need it."""


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
        if self.collaboration.mutual and self.students == 1:
            raise ValueError("mutual learning needs two students")


def new_network(config: NetworkConfig) -> MobileNetDB | ResNetDB:
    """A network with random weights."""
    if isinstance(config, MobileNetDBConfig):
        return MobileNetDB(config)
    return ResNetDB(config)


def profile(recipe: DetectorRecipe, parent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The numbers of pre- and post-processing that belong to what the recipe trains.

    `parent` are those of the model the run starts from; its input stays as it was.
    """
    return {
        **IMAGENET,
        "multiple": 32,
        **(parent or {}),
        "threshold": recipe.boxes.threshold,
        "box_threshold": recipe.boxes.box_threshold,
        "unclip": recipe.boxes.unclip_ratio,
        "max_candidates": recipe.boxes.max_candidates,
    }


_PAGES = PageNumbers(augment=PageAugment(size=960, zoom=(0.5, 3.0)))
_LOOP = LoopOptions(steps=60_000, lr=1e-3, warmup_share=2 / 1200, evaluate_every=2000, workers=4)
_STUDENT = DetectorRecipe(pages=_PAGES, loop=_LOOP)
_CML = replace(_STUDENT, students=2, collaboration=CML)

_FINETUNE = DetectorRecipe(
    network=None,
    loss=PAPER,
    pages=PageNumbers(
        labelled=4,
        augment=PageAugment(size=640, zoom=(0.5, 2.0), perspective=0.3),
        copy_paste=CopyPaste(probability=0.5),
        targets=V6_TARGETS,
    ),
    boxes=BoxProfile(unclip_ratio=1.6),  # as v6-small is read
    loop=LoopOptions(steps=400, lr=1e-4, optimizer="adamw", clip=5.0, evaluate_every=100),
)

_CPU = DetectorRecipe(
    network=MobileNetDBConfig(size="small", scale=0.35, neck=48),
    pages=PageNumbers(
        labelled=4,
        augment=PageAugment(size=224, zoom=(0.7, 1.5), rotation=5.0),
        targets=V6_TARGETS,
    ),
    boxes=BoxProfile(unclip_ratio=0.9),  # their maps are broader than the labels
    loop=LoopOptions(steps=1000, lr=5e-3, warmup_share=0.05, clip=5.0, ema_decay=0.98),
)
_LATE_CML = Collaboration(mutual_start=0.25)
_CPU_CML = replace(
    _CPU,
    students=2,
    collaboration=_LATE_CML,
    pages=replace(_CPU.pages, labelled=2, unlabelled=2),
)

DETECTOR_RECIPES: Mapping[str, DetectorRecipe] = {
    "ppocrv2-det": _STUDENT,
    "ppocrv2-det-paper-loss": replace(_STUDENT, loss=PAPER),
    "ppocrv2-det-dml": replace(_STUDENT, students=2, collaboration=DML),
    "ppocrv2-det-distill": replace(_STUDENT, collaboration=DISTILL),
    "ppocrv2-det-cml": _CML,
    "ppocrv2-det-cml-copypaste": replace(_CML, pages=replace(_PAGES, copy_paste=CopyPaste())),
    "ppocrv2-det-teacher": replace(_STUDENT, network=ResNetDBConfig(depth=18)),
    "ppocrv2-det-teacher-50": replace(_STUDENT, network=ResNetDBConfig(depth=50)),
    "finetune-det": _FINETUNE,
    "cpu-det": _CPU,
    "cpu-det-cml": _CPU_CML,
}
