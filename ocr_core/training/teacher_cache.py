"""What a teacher read, kept on disk: it takes minutes, and never changes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ocr_core.training.labelled import LineLabel
from ocr_core.training.line_sets import LineForm
from ocr_core.training.line_teacher import Reading
from ocr_core.training.soft_labels import FrameLabels


def reading_key(
    teacher: str, charset: Sequence[str], form: LineForm, labels: Sequence[LineLabel]
) -> str:
    """Names the readings of these lines by this teacher (a bundle's hash) for this charset."""
    lines = [(str(label.image), label.quad) for label in labels]
    facts = [teacher, list(charset), form.height, form.widest, lines]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()


def save_readings(readings: Sequence[Reading], path: Path) -> None:
    """Write readings as one file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [reading.frames for reading in readings]
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    with os.fdopen(handle, "wb") as file:
        np.savez_compressed(
            file,
            lengths=np.array([len(f.ids) for f in frames], np.int64),
            ids=np.concatenate([f.ids for f in frames]),
            probabilities=np.concatenate([f.probabilities for f in frames]).astype(np.float16),
            weights=np.concatenate([f.weights for f in frames]),
            texts=np.array([reading.text for reading in readings]),
            confidences=np.array([reading.confidence for reading in readings]),
        )
    Path(draft).replace(path)


def load_readings(path: Path) -> list[Reading]:
    """Readings in the order they were saved in."""
    with np.load(path) as kept:
        ends = np.cumsum(kept["lengths"])[:-1]
        frames = zip(
            np.split(kept["ids"], ends),
            np.split(kept["probabilities"].astype(np.float32), ends),
            np.split(kept["weights"], ends),
            strict=True,
        )
        texts, confidences = kept["texts"].tolist(), kept["confidences"].tolist()
    return [
        Reading(FrameLabels(*seen), text, confidence)
        for seen, text, confidence in zip(frames, texts, confidences, strict=True)
    ]
