"""The recognisers that are trained: made anew, or from a model with its charset changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from ocr_core.bundle import Bundle
from ocr_core.charset import BLANK, Charset
from ocr_core.networks import RecognizerNetwork, load_network
from ocr_core.recognition.crnn_lcnet import CrnnLCNet
from ocr_core.recognition.outputs import RecognizerOutputs
from ocr_core.training.enhanced_ctc import Centers
from ocr_core.training.recognizer_recipes import RecognizerRecipe


class RecognizerStudents(nn.Module):
    """One network to train, or two that learn together; the first is the one to publish.

    With Enhanced CTC it also holds the constant centres of each student, so that a resumed run has
    them; they are buffers and never learn.
    """

    centers: Tensor
    """(students, C, F)"""
    known: Tensor
    """(students, C) bool"""

    def __init__(
        self,
        networks: Sequence[RecognizerNetwork],
        *,
        centers: bool = False,
        fixed: Sequence[str] = (),
        fixed_norms: bool = False,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._fixed_norms = fixed_norms
        if centers:
            classes, size = networks[0].head.weight.shape
            self.register_buffer("centers", torch.zeros(len(networks), classes, size))
            known = torch.zeros(len(networks), classes, dtype=torch.bool)
            self.register_buffer("known", known)
        for network in networks:
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(not any(name.startswith(part) for part in fixed))

    @property
    def first(self) -> RecognizerNetwork:
        """The student that is evaluated and published."""
        return cast(RecognizerNetwork, self.networks[0])

    def each(self) -> list[RecognizerNetwork]:
        """All students."""
        return [cast(RecognizerNetwork, network) for network in self.networks]

    def forward(self, lines: Tensor) -> list[RecognizerOutputs]:
        """(N, 3, H, W) to what each student says."""
        return [network.outputs(lines) for network in self.each()]

    def train(self, mode: bool = True) -> RecognizerStudents:
        """Batch norms stay in eval mode if they are fixed."""
        super().train(mode)
        if self._fixed_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def set_centers(self, student: int, centers: Centers) -> None:
        """Put a student's centres in place, for good."""
        self.centers[student].copy_(centers.values)
        self.known[student].copy_(centers.known)


def make_students(
    recipe: RecognizerRecipe, charset: Charset, start: Bundle | None, seed: int
) -> RecognizerStudents:
    """Students with weights of the seed, each its own; numbers drawn elsewhere stay as they are.

    The second student of a run that starts from a model keeps its image features and begins anew
    behind them: two equal students on equal batches have nothing to tell each other.
    """
    networks = []
    for number in range(recipe.students):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 2 + number)
            networks.append(_student(recipe, charset, start, fresh_neck=number > 0))
    return RecognizerStudents(
        networks,
        centers=recipe.centers is not None,
        fixed=recipe.fixed,
        fixed_norms=recipe.fixed_norms,
    )


def _student(
    recipe: RecognizerRecipe, charset: Charset, start: Bundle | None, *, fresh_neck: bool
) -> RecognizerNetwork:
    if start is None:
        assert recipe.network is not None  # made sure by make_task
        return CrnnLCNet(replace(recipe.network, classes=charset.classes))
    network = cast(RecognizerNetwork, load_network(start))
    if fresh_neck:
        _begin_anew(network)
    parent = Charset(start.charset or ())
    if parent != charset:
        change_charset(network, parent, charset)
    return network


def _begin_anew(network: RecognizerNetwork) -> None:
    """New weights for everything behind the image features."""
    for name in ("neck", "lstm", "middle", "head"):
        part = getattr(network, name, None)
        for module in part.modules() if isinstance(part, nn.Module) else ():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()


@torch.no_grad()
def change_charset(network: RecognizerNetwork, old: Charset, new: Charset) -> None:
    """Give a network the head of another charset: rows of the blank and of shared characters stay.

    A new character begins with small weights and a low bias: likely nowhere until it is learned.
    """
    head = network.head
    changed = nn.Linear(head.in_features, new.classes)
    nn.init.normal_(changed.weight, std=float(head.weight.std()) / 4)
    changed.bias.fill_(float(head.bias[1:].median()))
    theirs = {character: n for n, character in enumerate(old.characters, start=1)}
    rows = [(BLANK, BLANK)]
    rows += [(n, theirs[c]) for n, c in enumerate(new.characters, start=1) if c in theirs]
    here, there = (list(column) for column in zip(*rows, strict=True))
    changed.weight[here], changed.bias[here] = head.weight[there], head.bias[there]
    network.head = changed
    _note_classes(network, new.classes)


def _note_classes(network: RecognizerNetwork, classes: int) -> None:
    if isinstance(network, CrnnLCNet):
        network.config = replace(network.config, classes=classes)
    else:
        network.config = replace(network.config, classes=classes)
