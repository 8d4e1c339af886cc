"""A page to read before the clock starts: engines load their models at their first page."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


def first_page() -> Any:
    """(320, 640, 3) uint8, two words in black on white."""
    page = np.full((320, 640, 3), 255, np.uint8)
    cv2.putText(page, "first page", (40, 160), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 3)
    return page
