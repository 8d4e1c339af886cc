"""Ways to train a recogniser, as plain values.

The first ones are PP-OCRv2's (reference, sections 4.3, 4.4, 6.2 and 7): batches of 128 lines, 800
epochs of millions of lines, meant for GPUs. Their `steps` fit a set of some ten thousand lines; set
your own. The `cpu-` ones train small students in minutes, `finetune` a published model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ocr_core.recognition.crnn_lcnet import CrnnConfig
from ocr_core.training.enhanced_ctc import YML, Pull
from ocr_core.training.line_augment import DOCUMENTS, IN_PLACE, PP_OCR_V2, LineAugment
from ocr_core.training.line_sets import CharsetOrigin
from ocr_core.training.line_teacher import Distillation
from ocr_core.training.options import LoopOptions
from ocr_core.training.udml import U_DML, Mutual

OF_THE_DATA = 1
"""Classes in a recipe's network: the charset is not known before the labels are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineNumbers:
    """What a batch is made of."""

    labelled: int = 32
    """Lines with labels."""
    replay: int = 0
    """General labelled lines, so that a fine-tuned network does not forget them; if there are."""
    unlabelled: int = 0
    """Lines only a teacher says something about; if there are."""
    widest: int = 1280
    """Pixels, at the height of the network; wider lines are left out."""
    augment: LineAugment = PP_OCR_V2
    """Of labelled lines."""
    replay_augment: LineAugment = DOCUMENTS
    unlabelled_augment: LineAugment = IN_PLACE
    """Of lines with soft labels: what moves a character out of its frame makes them wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizerRecipe:
    """Everything that decides a run but the data and the seed."""

    network: CrnnConfig | None = field(default_factory=lambda: CrnnConfig(classes=OF_THE_DATA))
    """Of the students; None: that of the model the run starts from. Its `classes` are not used."""
    charset: CharsetOrigin = "data"
    """`data`: the characters of the labels; `parent`: those of the model the run starts from;
    `both`: the parent's, and those of the labels that it lacks."""
    students: int = 1
    focal: float = 0.0
    """Exponent of focal CTC; 0 is plain CTC (authors' notes on Enhanced CTC: 2)."""
    ace: float = 0.0
    """Weight of ACE (authors' notes: 0.1)."""
    mutual: Mutual | None = None
    """What binds two students."""
    centers: Pull | None = None
    """Enhanced CTC."""
    distillation: Distillation | None = None
    """What is learned from a teacher."""
    fixed: tuple[str, ...] = ()
    """Parts of the network that are not trained, by the beginning of their names."""
    keep: float = 0.0
    """How much of the weights it began with a fine-tuned network is given back when it is measured
    and published, 0 to 1. Half of the way between two such networks most of what is new is learned
    and little forgotten (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903)."""
    fixed_norms: bool = False
    """Whether batch norms keep their statistics: for small batches of a trained network."""
    lines: LineNumbers = field(default_factory=LineNumbers)
    loop: LoopOptions = field(default_factory=lambda: LoopOptions(steps=20_000))

    def __post_init__(self) -> None:
        if self.students not in (1, 2):
            raise ValueError(f"students must be 1 or 2, got {self.students}")
        if self.mutual is not None and self.students != 2:
            raise ValueError("mutual learning needs two students")
        if not 0 <= self.keep < 1 or (self.keep and self.network is not None):
            raise ValueError("only a fine-tuned network keeps a part of its weights, below 1")


def profile(recipe: RecognizerRecipe, start: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The numbers of pre- and post-processing that belong to what the recipe trains.

    `start` is the profile of the model the run starts from.
    """
    if recipe.network is None:
        return dict(start or {})
    size = {"height": recipe.network.height, "stride": recipe.network.time_stride}
    return {"order": "bgr", "mean": [0.5] * 3, "std": [0.5] * 3, **size}


_LOOP = LoopOptions(
    steps=100_000,
    lr=1e-3,
    schedule="step",
    warmup_share=5 / 800,
    weight_decay=2e-5,
    evaluate_every=2000,
    checkpoint_every=2000,
    workers=4,
)
_GPU_LINES = LineNumbers(labelled=128)
PP_OCR_V2_REC = RecognizerRecipe(lines=_GPU_LINES, loop=_LOOP)

_CPU_LOOP = LoopOptions(steps=1500, lr=3e-3, warmup_share=0.05)
CPU = RecognizerRecipe(
    network=CrnnConfig(classes=OF_THE_DATA, scale=0.25, layers=0, time_stride=8),
    lines=LineNumbers(labelled=32, widest=640, augment=DOCUMENTS),
    loop=_CPU_LOOP,
)
"""Without LSTM, and with few frames: with many of either a network on few lines stays for long in
the state where every frame is blank."""

FINETUNE = RecognizerRecipe(
    network=None,
    charset="parent",
    distillation=Distillation(soft=1.0, text=1.0, confidence=0.7),
    keep=0.6,
    fixed_norms=True,
    lines=LineNumbers(
        labelled=8, replay=3, unlabelled=3, augment=replace(DOCUMENTS, warp=0.2, join=0.0)
    ),
    loop=LoopOptions(steps=80, optimizer="adamw", lr=2e-4, clip=5.0),
)
"""Of a published model on some hundred lines of a new look. Replayed and unlabelled lines, of which
either is enough, are general ones: without them it forgets in minutes how all else is read."""

RECOGNIZER_RECIPES: Mapping[str, RecognizerRecipe] = {
    "ppocrv2-rec": PP_OCR_V2_REC,
    "ppocrv2-rec-udml": replace(PP_OCR_V2_REC, students=2, mutual=U_DML),
    "ppocrv2-rec-enhanced-ctc": replace(PP_OCR_V2_REC, centers=YML),
    "ppocrv2-rec-udml-enhanced-ctc": replace(PP_OCR_V2_REC, students=2, mutual=U_DML, centers=YML),
    "ppocrv2-rec-focal-ace": replace(PP_OCR_V2_REC, focal=2.0, ace=0.1),
    "ppocrv2-rec-distill": replace(
        PP_OCR_V2_REC,
        distillation=Distillation(),
        lines=LineNumbers(labelled=64, unlabelled=64),
    ),
    "cpu-rec": CPU,
    "cpu-rec-distill": replace(
        CPU,
        distillation=Distillation(),
        lines=replace(CPU.lines, labelled=8, unlabelled=24),
    ),
    "finetune-rec": FINETUNE,
    "finetune-rec-new-characters": replace(FINETUNE, charset="both"),
}
