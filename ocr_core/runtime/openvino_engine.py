"""Static graphs on OpenVINO: the fastest engine on Intel and AMD processors.

Nothing here talks to the network: OpenVINO's telemetry belongs to its model converter, which is
never called.
"""

from __future__ import annotations

import numpy as np
import openvino

from ocr_core.bundle import Bundle
from ocr_core.errors import EngineFailed, EngineUnsupported, ModelDamaged
from ocr_core.runtime import BestPath, Engine, FloatArray, RuntimeOptions
from ocr_core.runtime.batch import best_path, input_check
from ocr_core.runtime.precision import Precision, choose_precision

LARGE = 1_300_000
"""Pixels (N·H·W) from which a graph is compiled for one shape only.

A graph for any shape holds about twice the memory of one for a single shape, and meets a new
large shape slowly: at 1984x1408 1.3 GB and 2.0 CPU seconds, against 0.5 GB and 1.3 seconds with
the compilation. Below, the graph for any shape is cheaper: pages and lines come in all sizes.
"""

KEPT_KERNELS = 400
"""Compiled kernels kept for shapes met before. OpenVINO's 5000 let memory grow by about 4 MB
with every new page size; from a few hundred on the time does not change."""

_TYPES: dict[Precision, openvino.Type] = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}


class OpenVinoSession:
    """One graph, compiled for any shape and, once needed, for the latest large one."""

    engine: Engine = "openvino"
    precision: Precision

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        if options.device != "cpu":
            raise EngineUnsupported(f"openvino runs on the cpu here, not on {options.device}")
        self._checked = input_check(bundle)
        self._core = openvino.Core()
        native = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = choose_precision(options.precision, bf16=native, engine=self.engine)
        self._settings = {
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _TYPES[self.precision],
            "ENABLE_CPU_PINNING": False,  # or several workers would share one core
            "CPU_DENORMALS_OPTIMIZATION": True,
            "CPU_RUNTIME_CACHE_CAPACITY": KEPT_KERNELS,
        }
        try:
            self._model = self._core.read_model(bundle.graph)
            self._any_shape = self._compile(self._model)
        except RuntimeError as error:
            raise ModelDamaged(f"{bundle.graph}: {error}") from error
        self._one_shape: openvino.InferRequest | None = None
        self._shape: tuple[int, ...] = ()
        self._broken = False

    def run(self, batch: FloatArray) -> FloatArray:
        """See Session.run."""
        return self._infer(batch).copy()

    def best(self, batch: FloatArray) -> BestPath:
        """See Session.best."""
        return best_path(self._infer(batch))

    def _infer(self, batch: FloatArray) -> FloatArray:
        """Run, and return the engine's own output memory: it changes with the next call."""
        batch = self._checked(batch)
        if self._broken:
            raise EngineFailed(f"{self.engine} failed before and must be opened in a new process")
        try:
            return _computed(self._request(batch.shape), batch)
        except RuntimeError as error:
            self._broken = True
            raise EngineFailed(f"{self.engine}, {batch.shape}: {error}") from error

    def _request(self, shape: tuple[int, ...]) -> openvino.InferRequest:
        if shape[0] * shape[2] * shape[3] < LARGE:
            return self._any_shape
        if self._one_shape is None or shape != self._shape:
            self._one_shape = None  # its memory is free before the next one takes its own
            model = self._model.clone()
            model.reshape(list(shape))
            self._one_shape, self._shape = self._compile(model), shape
        return self._one_shape

    def _compile(self, model: openvino.Model) -> openvino.InferRequest:
        return self._core.compile_model(model, "CPU", self._settings).create_infer_request()


def _computed(request: openvino.InferRequest, batch: FloatArray) -> FloatArray:
    """Run a request; raises RuntimeError if it did not come to an end.

    With one thread, OpenVINO 2026.4 loses errors met while it prepares a graph for a new shape,
    such as memory that is not there: `infer` returns as if all were well, the last output is still
    in its place, and the next call may crash. So the last output is marked, and after a failure
    the engine is left alone.
    """
    last: FloatArray = request.get_output_tensor().data
    if last.size:
        last.flat[0] = np.nan
    request.infer([batch], share_inputs=True, share_outputs=True)
    output: FloatArray = request.get_output_tensor().data
    if not output.size or np.isnan(output.flat[0]):
        raise RuntimeError("nothing was computed")
    return output
