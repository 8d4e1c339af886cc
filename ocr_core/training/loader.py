"""Batches in the order of their numbers, made here or by several processes: the same either way."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
from torch.utils.data import DataLoader, Dataset

from ocr_core.training.task import Task


class Batches(Dataset[Any]):
    """The batches of a task by their number."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getitem__(self, number: int) -> Any:
        """Make a batch; a pure function of its number."""
        return self._task.batch(number)


def batches(
    task: Task, numbers: Sequence[int], *, workers: int = 0, pinned: bool = False
) -> Iterator[Any]:
    """The batches of these numbers, in this order.

    `workers` processes make them ahead of time (0: none, each is made when it is asked for).
    `pinned` lays them where a GPU copies from without waiting.
    """
    if workers == 0 and not pinned:
        return map(task.batch, numbers)
    loader = DataLoader(
        Batches(task),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        pin_memory=pinned,
        worker_init_fn=_start_worker if workers else None,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


def _start_worker(_: int) -> None:
    """One thread in each process: OpenCV's pool does not survive the fork.

    Ctrl-C is for the process that trains, which ends these.
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
