"""What a network is given and what comes out, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ocr_core.bundle import Bundle
from ocr_core.errors import EngineFailed
from ocr_core.runtime import BestPath, FloatArray


def input_check(bundle: Bundle) -> Callable[[FloatArray], FloatArray]:
    """A function that brings batches into the engines' memory layout, or raises EngineFailed.

    Engines answer a size the network cannot take in their own ways, from an error to a crash.
    """
    profile = bundle.profile
    multiple, least = int(profile.get("multiple", 1)), 2 * int(profile.get("stride", 1))
    height, width = profile.get("height"), profile.get("width")

    def checked(batch: FloatArray) -> FloatArray:
        fits = batch.ndim == 4 and batch.shape[0] > 0 and batch.shape[1] == 3
        rows, columns = batch.shape[-2:] if fits else (0, 0)
        fits = fits and rows > 0 and not rows % multiple
        fits = fits and columns >= least and not columns % multiple
        if not fits or height not in (None, rows) or width not in (None, columns):
            raise EngineFailed(f"{bundle.name} takes no images of shape {batch.shape}")
        return np.ascontiguousarray(batch, dtype=np.float32)

    return checked


def best_path(probabilities: FloatArray) -> BestPath:
    """(N, T, C) probabilities to the best class of each step; copies nothing of size C.

    Done here and not inside the graph: with 18,710 classes NumPy's arg-max over the engine's own
    memory costs under 2 % of a line, arg-max nodes (ArgMax with ReduceMax, or TopK) 5 to 10 %.
    """
    ids = probabilities.argmax(axis=-1)
    best = np.take_along_axis(probabilities, ids[..., None], axis=-1)[..., 0]
    return BestPath(ids.astype(np.int32), best, probabilities[..., -1].copy())
