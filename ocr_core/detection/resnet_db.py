"""The teachers of PP-OCRv2: ResNet-vd, feature pyramid, head of differentiable binarization.

Section 2.4 of the PP-OCR reference; the "vd" form of ResNet is He et al. 2019, arXiv:1812.01187.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from ocr_core.conv_norm import ConvNorm
from ocr_core.detection.db_fpn import DBFPN
from ocr_core.detection.map_branch import MapBranch

_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetDBConfig:
    """The defaults are PP-OCRv2's teacher."""

    depth: int = 18
    """Layers: 18 or 34 (basic blocks), or 50 (bottlenecks)."""
    neck: int = 256
    """Channels of the fused features."""

    def __post_init__(self) -> None:
        if self.depth not in _DEPTHS:
            raise ValueError(f"depth must be one of {sorted(_DEPTHS)}, got {self.depth}")
        if self.neck % 4:
            raise ValueError(f"neck must be a multiple of 4, got {self.neck}")


class ResNetDB(nn.Module):
    """Where the text of a page is, pixel by pixel."""

    def __init__(self, config: ResNetDBConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNetLevels(config.depth)
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


class ResNetLevels(nn.Module):
    """ResNet-vd without its classifier, giving features of four sizes."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        narrow = depth >= 50
        self.stem = nn.Sequential(
            ConvNorm(3, 32, 3, (2, 2)),
            nn.ReLU(),
            ConvNorm(32, 32, 3),
            nn.ReLU(),
            ConvNorm(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        self.widths = [width * (4 if narrow else 1) for width in _WIDTHS]
        channels = 64
        for number, (blocks, inner) in enumerate(zip(_DEPTHS[depth], _WIDTHS, strict=True)):
            stage = nn.Sequential()
            for i in range(blocks):
                halves = i == 0 and number > 0
                out = self.widths[number]
                stage.append(Residual(channels, inner, out, narrow, first=i == 0, halves=halves))
                channels = out
            self.stages.append(stage)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to features at 1/4, 1/8, 1/16 and 1/32."""
        levels = [self.stem(images)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return levels[1:]


class Residual(nn.Module):
    """Two 3×3 convolutions, or 1×1, 3×3 and 1×1 (`narrow`), around which the input is added.

    The first block of a stage brings the input to its width and size by a 1×1 convolution, and
    halves it by an average, which loses no pixel ("ResNet-D").
    """

    def __init__(
        self, channels: int, inner: int, out: int, narrow: bool, *, first: bool, halves: bool
    ) -> None:
        super().__init__()
        step = (2, 2) if halves else (1, 1)
        if narrow:
            self.parts = nn.Sequential(
                ConvNorm(channels, inner, 1),
                nn.ReLU(),
                ConvNorm(inner, inner, 3, step),
                nn.ReLU(),
                ConvNorm(inner, out, 1),
            )
        else:
            self.parts = nn.Sequential(
                ConvNorm(channels, inner, 3, step), nn.ReLU(), ConvNorm(inner, out, 3)
            )
        self.shortcut = nn.Sequential()
        if halves:
            self.shortcut.append(nn.AvgPool2d(2))
        if first:
            self.shortcut.append(ConvNorm(channels, out, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, out, H, W), halved or not."""
        return F.relu(self.parts(features) + self.shortcut(features))
