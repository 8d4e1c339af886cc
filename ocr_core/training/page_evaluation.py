"""How well a detector in training finds the text of held-out pages, looked at as by the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ocr_core.detection.detector import Detector, DetectorProfile
from ocr_core.geometry import FloatArray
from ocr_core.image import read_image
from ocr_core.metrics import RegionCounts, count_regions, detection_figures
from ocr_core.runtime import BestPath, Engine
from ocr_core.runtime.precision import Precision
from ocr_core.training.labelled import PageLabel, Region


class ModuleSession:
    """A detector network, giving logits, behind the interface the detector runs it through."""

    engine: Engine = "torch"
    precision: Precision = "fp32"

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._device = next(network.parameters()).device

    @torch.no_grad()
    def run(self, batch: FloatArray) -> FloatArray:
        """See Session.run."""
        images = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
        logits = self._network(images.contiguous(memory_format=torch.channels_last))
        return torch.sigmoid(logits.float()).cpu().numpy()

    def best(self, batch: FloatArray) -> BestPath:
        """A detector has no classes; raises NotImplementedError."""
        raise NotImplementedError("a detector has no classes")


def find_text(network: nn.Module, page: PageLabel, profile: Mapping[str, Any]) -> list[Region]:
    """What a network in eval mode finds on a page, in pixels of its image."""
    detector = Detector(ModuleSession(network), DetectorProfile.of_bundle(profile))
    return [Region(quad, "") for quad in detector.find(read_image(page.image)).quads]


def detection_on(
    network: nn.Module, pages: Sequence[PageLabel], profile: Mapping[str, Any]
) -> dict[str, float]:
    """`hmean`, `precision` and `recall` over all pages, in [0, 1]."""
    counts = RegionCounts.sum(
        count_regions(page.regions, find_text(network, page, profile)) for page in pages
    )
    return detection_figures(counts)
