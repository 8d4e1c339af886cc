"""The student of PP-OCRv2: MobileNetV3, feature pyramid, head of differentiable binarization.

Sections 2.1 to 2.3 of the PP-OCR reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm
from ocr_core.detection.db_fpn import DBFPN
from ocr_core.detection.map_branch import MapBranch
from ocr_core.mobilenet_v3 import LARGE, SMALL, InvertedResidual, scaled, scaled_row


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileNetDBConfig:
    """The defaults are PP-OCRv2's student."""

    size: Literal["large", "small"] = "large"
    """Which table of MobileNetV3."""
    scale: float = 0.5
    """Width of the backbone, as a multiple of the table's."""
    neck: int = 96
    """Channels of the fused features."""
    attention: bool = False
    """Whether blocks have the channel attention of the table."""

    def __post_init__(self) -> None:
        if self.size not in ("large", "small"):
            raise ValueError(f"size must be large or small, got {self.size!r}")
        if self.neck % 4:
            raise ValueError(f"neck must be a multiple of 4, got {self.neck}")


class MobileNetDB(nn.Module):
    """Where the text of a page is, pixel by pixel."""

    def __init__(self, config: MobileNetDBConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = MobileNetLevels(config)
        self.neck = DBFPN(self.backbone.widths, config.neck)
        self.text = MapBranch(config.neck, normed=True)

    @property
    def neck_channels(self) -> int:
        """Channels of `features`."""
        return self.config.neck

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), sides multiples of 32, to (N, 1, H, W) logits of shrunken text regions."""
        return cast(Tensor, self.text(self.features(images)))

    def features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to the (N, neck, H/4, W/4) features that every map branch reads."""
        return cast(Tensor, self.neck(self.backbone(images)))


class MobileNetLevels(nn.Module):
    """MobileNetV3 without its classifier, giving features of four sizes."""

    def __init__(self, config: MobileNetDBConfig) -> None:
        super().__init__()
        table = LARGE if config.size == "large" else SMALL
        rows = [scaled_row(row, config.scale, config.attention) for row in table]
        channels = scaled(16, config.scale)
        self.stem = ConvNorm(3, channels, 3, (2, 2))
        self.stages = nn.ModuleList()
        self.widths: list[int] = []
        reduction = 2
        for row in rows:
            if row.stride == (2, 2) and reduction > 2:  # a level ends before it is halved
                self.widths.append(channels)
                self.stages.append(nn.Sequential())
            elif not self.stages:
                self.stages.append(nn.Sequential())
            cast(nn.Sequential, self.stages[-1]).append(InvertedResidual(channels, row))
            reduction *= row.stride[0]
            channels = row.out
        last = scaled(6 * table[-1].out, config.scale)
        self.last = ConvNorm(channels, last, 1)
        self.widths.append(last)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to features at 1/4, 1/8, 1/16 and 1/32."""
        features = F.hardswish(self.stem(images))
        levels: list[Tensor] = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        levels[-1] = F.hardswish(self.last(features))
        return levels
