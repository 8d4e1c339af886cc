"""Static graphs on ONNX Runtime: as fast as OpenVINO in fp32, and runs almost everywhere."""

from __future__ import annotations

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from ocr_core.bundle import Bundle
from ocr_core.errors import EngineFailed, EngineUnsupported, ModelDamaged
from ocr_core.runtime import BestPath, Engine, FloatArray, RuntimeOptions
from ocr_core.runtime.batch import best_path, input_check
from ocr_core.runtime.precision import Precision, choose_precision

_ERRORS = (
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NotImplemented,
    native.RuntimeException,
)
"""What the engine raises for a wrong graph or input; they have no base class of their own."""


class OnnxSession:
    """One loaded graph for any shape it allows; run it in the thread that opened it."""

    engine: Engine = "onnxruntime"
    precision: Precision

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        self.precision = choose_precision(options.precision, bf16=False, engine=self.engine)
        settings, provider = _settings(options), _provider(options.device)
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.graph, settings, providers=[provider]
            )
        except _ERRORS as error:
            raise ModelDamaged(f"{bundle.graph}: {error}") from error
        self._checked = input_check(bundle)
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: FloatArray) -> FloatArray:
        """See Session.run."""
        batch = self._checked(batch)
        try:
            output: FloatArray = self._session.run(None, {self._input: batch})[0]
        except _ERRORS as error:
            raise EngineFailed(f"{self.engine}, {batch.shape}: {error}") from error
        return output

    def best(self, batch: FloatArray) -> BestPath:
        """See Session.best."""
        return best_path(self.run(batch))


def _settings(options: RuntimeOptions) -> onnxruntime.SessionOptions:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    # a waiting thread must not burn the core that another worker could use
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Numbers below 1e-38 are a hundred times slower on some processors, and blank paper makes many:
    # a page took 0.93 CPU seconds in the detector, 0.23 without them. Holds for this thread only.
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    settings.log_severity_level = 4  # fatal only: errors are raised, and told once
    return settings


def _provider(device: str) -> str | tuple[str, dict[str, int]]:
    if device == "cpu":
        return "CPUExecutionProvider"
    kind, _, number = device.partition(":")
    if kind == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return "CUDAExecutionProvider", {"device_id": int(number or 0)}
    raise EngineUnsupported(f"this build of onnxruntime does not run on {device}")
