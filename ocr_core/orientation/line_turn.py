"""Says of a line crop how likely it is upside-down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ocr_core.geometry import ImageArray

if TYPE_CHECKING:
    from ocr_core.runtime import Session

HEIGHT, WIDTH = 48, 192


class LineTurn:
    """The 0°/180° line classifier; its word alone never turns anything (docs/decisions.md)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def upside_down(self, crop: ImageArray) -> float:
        """(48, W, 3) RGB crop → probability that it is turned by 180°, in [0, 1].

        As trained: aspect kept up to a width of 192, padded with mid-grey (PP-OCR §1.7).
        """
        width = min(WIDTH, max(1, round(crop.shape[1] * HEIGHT / crop.shape[0])))
        small = cv2.resize(crop, (width, HEIGHT), interpolation=cv2.INTER_LINEAR)
        batch = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
        batch[0, :, :, :width] = small.transpose(2, 0, 1)[::-1] * np.float32(1 / 127.5) - 1
        return float(self._session.run(batch)[0, 1])
