"""The torch module itself: for GPUs, and for checking what the static graphs compute."""

from __future__ import annotations

import torch
from torch import Tensor

from ocr_core.bundle import Bundle
from ocr_core.errors import EngineFailed, EngineUnsupported
from ocr_core.networks import load_network, with_probabilities
from ocr_core.runtime import BestPath, Engine, FloatArray, RuntimeOptions
from ocr_core.runtime.batch import input_check
from ocr_core.runtime.precision import Precision, choose_precision, cpu_has_bf16


class TorchSession:
    """A torch module in eval mode on one device."""

    engine: Engine = "torch"
    precision: Precision

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        self._checked = input_check(bundle)
        self._device = _device(options.device)
        self.precision = choose_precision(
            options.precision, bf16=_has_bf16(self._device), engine=self.engine
        )
        if self._device.type == "cpu":  # both hold for the whole process and this thread
            torch.set_num_threads(options.threads)
            torch.set_flush_denormal(True)  # see onnx_engine: blank paper makes many of them
        module = with_probabilities(load_network(bundle)).to(self._device)
        # a third faster; torch's types do not know this argument
        self._module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, batch: FloatArray) -> FloatArray:
        """See Session.run."""
        return self._infer(batch).cpu().numpy()

    def best(self, batch: FloatArray) -> BestPath:
        """See Session.best; the arg-max is made on the device."""
        classes = self._infer(batch)
        probabilities, ids = classes.max(dim=-1)
        spaces = classes[..., -1].contiguous()
        return BestPath(
            ids.to(torch.int32).cpu().numpy(), probabilities.cpu().numpy(), spaces.cpu().numpy()
        )

    def _infer(self, batch: FloatArray) -> Tensor:
        images = torch.from_numpy(self._checked(batch))
        images = images.to(self._device, memory_format=torch.channels_last)
        lower = self.precision == "bf16"
        try:
            with (
                torch.inference_mode(),
                torch.autocast(self._device.type, torch.bfloat16, enabled=lower),
            ):
                output: Tensor = self._module(images)
        except RuntimeError as error:
            raise EngineFailed(f"{self.engine}, {tuple(images.shape)}: {error}") from error
        return output.float().contiguous()


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise EngineUnsupported(f"torch knows no device {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise EngineUnsupported(f"torch runs on cpu or cuda here, not on {name}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EngineUnsupported(f"torch sees no {name}")
    return device


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        return cpu_has_bf16()
    return torch.cuda.get_device_capability(device) >= (8, 0)  # older ones only emulate it
