"""One interface to run a network, three engines behind it.

Importing this package imports no engine; native objects are made by `open_session`, so that a
process may fork before it opens its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ocr_core.errors import EngineMissing, EngineUnsupported

if TYPE_CHECKING:
    from ocr_core.bundle import Bundle
    from ocr_core.runtime.precision import Precision

FloatArray = NDArray[np.float32]
Engine = Literal["openvino", "onnxruntime", "torch"]

ENGINES: tuple[Engine, ...] = get_args(Engine)
"""In the order in which `auto` tries them on a CPU."""


class BestPath(NamedTuple):
    """The most probable class of each time step."""

    ids: NDArray[np.int32]
    """(N, T)"""
    probabilities: FloatArray
    """(N, T), of that class, in [0, 1]"""
    spaces: FloatArray
    """(N, T), of the last class: in the charset of a recogniser the space."""


class Session(Protocol):
    """A network ready to run; belongs to one thread of one process."""

    @property
    def engine(self) -> Engine:
        """Which engine runs it."""
        ...

    @property
    def precision(self) -> Precision:
        """The number format of its matrix products; input and output are float32."""
        ...

    def run(self, batch: FloatArray) -> FloatArray:
        """(N, 3, H, W) images, any size the graph allows, to a copy of the network's output.

        Raises EngineFailed.
        """
        ...

    def best(self, batch: FloatArray) -> BestPath:
        """Arg-max over the last axis of (N, T, C) probabilities, without copying them out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOptions:
    """How networks are to be run."""

    engine: str = "auto"
    """`auto` or one of ENGINES."""
    device: str = "cpu"
    """`cpu`, or `cuda` and `cuda:N` for torch and a CUDA build of ONNX Runtime."""
    precision: str = "auto"
    """`auto`, `fp32` or `bf16`."""
    threads: int = 1
    """CPU threads inside one run; several processes with one thread each read more pages."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")


def installed_engines() -> list[Engine]:
    """The engines whose package can be imported, found without importing it."""
    return [engine for engine in ENGINES if find_spec(engine) is not None]


def choose_engine(options: RuntimeOptions) -> Engine:
    """The engine to use; raises EngineMissing or EngineUnsupported."""
    installed = installed_engines()
    if options.engine == "auto":
        wanted = ENGINES if options.device == "cpu" else ("torch",)
        found = next((engine for engine in wanted if engine in installed), None)
    elif options.engine in ENGINES:
        found = next((engine for engine in installed if engine == options.engine), None)
    else:
        raise EngineUnsupported(f"no engine is called {options.engine!r}, but {', '.join(ENGINES)}")
    if found is None:
        raise EngineMissing(f"{options.engine} for {options.device}")
    return found


def open_session(bundle: Bundle, options: RuntimeOptions | None = None) -> Session:
    """Load a bundle into an engine; call it after the fork, once a process.

    Raises EngineMissing, EngineUnsupported or ModelDamaged.
    """
    options = options or RuntimeOptions()
    # imported here, not above: each of these imports its engine
    match choose_engine(options):
        case "openvino":
            from ocr_core.runtime.openvino_engine import OpenVinoSession

            return OpenVinoSession(bundle, options)
        case "onnxruntime":
            from ocr_core.runtime.onnx_engine import OnnxSession

            return OnnxSession(bundle, options)
        case "torch":
            from ocr_core.runtime.torch_engine import TorchSession

            return TorchSession(bundle, options)
