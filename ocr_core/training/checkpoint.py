"""The state of a run on disk: whole or not there at all, whenever the machine stops."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ocr_core.training.errors import CheckpointDamaged, CheckpointMissing

LAST = "last.pt"
BEST = "best.pt"
FORMAT = 1


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a state of tensors and plain values; the file before stays until the new one is whole.

    A power cut between two saves leaves the older one: the bytes are on the disk before the name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def load(path: Path) -> dict[str, Any]:
    """Read a state onto the CPU; raises CheckpointMissing or CheckpointDamaged.

    Only tensors and plain values are accepted: a checkpoint cannot run code.
    """
    if not path.is_file():
        raise CheckpointMissing(str(path))
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointDamaged(f"{path}: {error}") from error
    if state.get("format") != FORMAT:
        raise CheckpointDamaged(f"{path} has not the format {FORMAT}")
    return state


def clear_drafts(folder: Path) -> None:
    """Remove what a killed process was writing."""
    for name in (LAST, BEST):
        for draft in folder.glob(f".{name}-*"):
            draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
