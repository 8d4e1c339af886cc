"""The only place that knows where a run takes place and in which numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

from ocr_core.training.errors import DeviceUnsupported

Precision = Literal["fp32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_NUMBERS = {"bf16": torch.bfloat16, "fp16": torch.float16}
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where a run takes place, and how its networks compute. Weights are always fp32."""

    device: torch.device
    precision: Precision = "fp32"
    """Of convolutions and matrix products; losses are computed in fp32."""

    @classmethod
    def of(cls, name: str = "auto", precision: str = "fp32", threads: int | None = None) -> Device:
        """Choose a device: `auto` (CUDA if there is one), `cpu`, `cuda` or `cuda:N`.

        `threads` of the CPU are set for this process, None leaves them. Raises DeviceUnsupported.
        """
        device = _device(name)
        if precision not in PRECISIONS:
            raise DeviceUnsupported(f"precision is {', '.join(PRECISIONS)}, not {precision!r}")
        if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise DeviceUnsupported(f"{device} has no bf16; use fp16 or fp32")
        if threads is not None:
            torch.set_num_threads(threads)
        return cls(device=device, precision=precision)

    @property
    def is_cuda(self) -> bool:
        """Whether the networks run on a GPU."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager[object]:
        """Convolutions and matrix products in the chosen numbers, while entered."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, _NUMBERS[self.precision])

    def scaler(self) -> torch.amp.GradScaler:
        """What keeps small fp16 gradients from vanishing; does nothing in other numbers."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def place(self, module: Module) -> Module:
        """Move a module here, its weights laid out as convolutions like them (channels last)."""
        placed = module.to(self.device)
        return placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def move(self, batch: Any) -> Any:
        """Copy the tensors of a batch here; images, (N, C, H, W) floats, as channels last."""
        if isinstance(batch, Tensor):
            return self._moved(batch)
        if isinstance(batch, dict):
            return {key: self.move(value) for key, value in batch.items()}
        if isinstance(batch, tuple) and hasattr(batch, "_fields"):
            return type(batch)(*map(self.move, batch))
        if isinstance(batch, (tuple, list)):
            return type(batch)(map(self.move, batch))
        return batch

    def _moved(self, tensor: Tensor) -> Tensor:
        if tensor.ndim == 4 and tensor.is_floating_point():
            return tensor.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        return tensor.to(self.device, non_blocking=True)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """No autocast while entered: losses and everything that subtracts like from like."""
    return torch.autocast(device.type, enabled=False)


def seed_step(seed: int, number: int) -> None:
    """Make the random numbers of a step (dropout) depend on seed and number alone.

    That, and not saved states of generators, is what makes a resumed run equal.
    """
    torch.manual_seed((seed * 1_000_003 + number) % 2**63)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceUnsupported(f"torch knows no device {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceUnsupported(f"training runs on cpu or cuda, not on {name}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceUnsupported(f"torch sees no {name}")
    return device
