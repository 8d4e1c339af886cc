"""Static graphs on OpenVINO: the fastest engine on Intel and AMD processors."""

from __future__ import annotations

import openvino

from ocr_core.bundle import Bundle
from ocr_core.errors import EngineUnsupported
from ocr_core.runtime import BestPath, Engine, FloatArray, RuntimeOptions
from ocr_core.runtime.best import best_path
from ocr_core.runtime.precision import Precision, choose_precision

_TYPES: dict[Precision, openvino.Type] = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}


class OpenVinoSession:
    """One compiled graph with one inference request; serves every shape the graph allows."""

    engine: Engine = "openvino"
    precision: Precision

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        if options.device != "cpu":
            raise EngineUnsupported(f"openvino runs on the cpu here, not on {options.device}")
        core = openvino.Core()
        native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = choose_precision(options.precision, bf16=native, engine=self.engine)
        config = {
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _TYPES[self.precision],
            "ENABLE_CPU_PINNING": False,  # several workers would all be pinned to the same core
        }
        compiled = core.compile_model(core.read_model(bundle.graph), "CPU", config)
        self._request = compiled.create_infer_request()

    def run(self, batch: FloatArray) -> FloatArray:
        """See Session.run."""
        return self._infer(batch).copy()

    def best(self, batch: FloatArray) -> BestPath:
        """See Session.best."""
        return best_path(self._infer(batch))

    def _infer(self, batch: FloatArray) -> FloatArray:
        """The engine's own output memory: valid until the next call."""
        self._request.infer([batch], share_inputs=True)
        output: FloatArray = self._request.get_output_tensor().data
        return output
