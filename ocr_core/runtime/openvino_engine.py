"""Static graphs on OpenVINO: the fastest engine on Intel and AMD processors.

Nothing here talks to the network: OpenVINO's telemetry belongs to its model converter, which is
never called.
"""

from __future__ import annotations

import ctypes
import platform
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import openvino

from ocr_core.bundle import Bundle
from ocr_core.errors import EngineFailed, EngineUnsupported, ModelDamaged
from ocr_core.runtime import BestPath, Engine, FloatArray, RuntimeOptions
from ocr_core.runtime.batch import best_path, input_check
from ocr_core.runtime.precision import Precision, choose_precision

LARGE = 800_000
"""Pixels (N·H·W) from which a graph is compiled for one shape only.

A graph for any shape holds about twice the memory of one for a single shape, and meets a new
large shape slowly: at 1984x1408 1.3 GB and 2.0 CPU seconds, against 0.5 GB and 1.3 seconds with
the compilation. Below, the graph for any shape is cheaper: pages and lines come in all sizes.
"""

KEPT_KERNELS = 400
"""Compiled kernels kept for shapes met before. OpenVINO's 5000 let memory grow by about 4 MB
with every new page size; from a few hundred on the time does not change."""

_TYPES: dict[Precision, openvino.Type] = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}


_M_MMAP_THRESHOLD = -3  # from malloc.h of glibc


class OpenVinoSession:
    """One graph, compiled for any shape and, once needed, for the latest large one.

    The large one holds memory for features only while it runs, and no other graph of the thread
    holds any then.
    """

    engine: Engine = "openvino"
    precision: Precision

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        if options.device != "cpu":
            raise EngineUnsupported(f"openvino runs on the cpu here, not on {options.device}")
        _give_back_large_blocks()
        self._checked = input_check(bundle)
        self._core = _core()
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
        _OPENED[self] = threading.get_ident()
        self._one_shape: _Compiled | None = None
        self._shape: tuple[int, ...] = ()
        self._broken = False

    def run(self, batch: FloatArray) -> FloatArray:
        """See Session.run."""
        with self._output(batch) as output:
            return output.copy()

    def best(self, batch: FloatArray) -> BestPath:
        """See Session.best."""
        with self._output(batch) as output:
            return best_path(output)

    @contextmanager
    def _output(self, batch: FloatArray) -> Iterator[FloatArray]:
        """Run, and lend the engine's own output memory."""
        batch = self._checked(batch)
        if self._broken:
            raise EngineFailed(f"{self.engine} failed before and must be opened in a new process")
        try:
            graph = self._graph(batch.shape)
            output = graph.compute(batch)
        except RuntimeError as error:
            self._broken = True
            _FAILED.append((self._any_shape, self._one_shape))
            raise EngineFailed(f"{self.engine}, {batch.shape}: {error}") from error
        yield output
        if graph is self._one_shape:
            graph.compiled.release_memory()

    def _graph(self, shape: tuple[int, ...]) -> _Compiled:
        if shape[0] * shape[2] * shape[3] < LARGE:
            return self._any_shape
        for session, thread in list(_OPENED.items()):
            if thread == threading.get_ident():  # a session runs in the thread that opened it
                session._any_shape.compiled.release_memory()
        if self._one_shape is None or shape != self._shape:
            self._one_shape = None  # its memory is free before the next one takes its own
            model = self._model.clone()
            model.reshape(list(shape))
            self._one_shape, self._shape = self._compile(model), shape
        return self._one_shape

    def _compile(self, model: openvino.Model) -> _Compiled:
        compiled = self._core.compile_model(model, "CPU", self._settings)
        return _Compiled(compiled, compiled.create_infer_request())


_OPENED: weakref.WeakKeyDictionary[OpenVinoSession, int] = weakref.WeakKeyDictionary()
"""The sessions in use, each with the thread that opened it."""
_FAILED: list[tuple[_Compiled, _Compiled | None]] = []
"""Graphs whose run failed, kept as long as the process lives.

OpenVINO 2026.4 leaves the failed task in the queue of the graph's executor, and hands the executor
on once the graph is given up: the next graph would begin with that task, whose memory is gone, and
end in a segmentation fault.
"""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A compiled graph with its only inference request."""

    compiled: openvino.CompiledModel
    request: openvino.InferRequest

    def compute(self, batch: FloatArray) -> FloatArray:
        """Run, and return the engine's own memory; RuntimeError if it did not come to an end.

        With one thread, OpenVINO 2026.4 loses errors met while it prepares a graph for a new shape,
        such as memory that is not there: `infer` returns as if all were well, the last output is
        still in its place, and the next call may crash. So the last output is marked, and after a
        failure the engine is left alone.
        """
        last: FloatArray = self.request.get_output_tensor().data
        if last.size:
            last.flat[0] = np.nan
        self.request.infer([batch], share_inputs=True, share_outputs=True)
        output: FloatArray = self.request.get_output_tensor().data
        if not output.size or np.isnan(output.flat[0]):
            raise RuntimeError("nothing was computed")
        return output


@cache
def _core() -> openvino.Core:
    """The one Core of this process, which is never given up.

    Each CPU plugin makes itself the stack for signals of the thread that opened it, and unmaps that
    stack when it goes. Several that go in the order they came, or one that goes in another thread,
    leave the thread with a stack that is no longer there: the next signal, even one that Python
    handles, is a segmentation fault.
    """
    return openvino.Core()


def _give_back_large_blocks() -> None:
    """Let the C library return freed blocks from 1 MiB on to the system, in the whole process.

    It keeps ever larger ones otherwise, in pieces: a worker that met pages of many sizes peaked at
    1.2 GB instead of 0.7 GB. Only glibc has this setting.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)
