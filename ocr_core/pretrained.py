"""Published ONNX graphs → our torch modules.

The names inside the PP-OCRv6 graphs are leftovers of their export, but the order of the nodes is
the order of our modules: the parameters are collected node by node and handed out module by module,
kind and shape checked one by one, nothing left over (PP-OCR reference, section A). The older line
classifier has readable names and is filled by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper
from torch import Tensor, nn

from ocr_core.orientation.line_classifier import LineClassifier

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """The parameters of one layer of a graph."""

    kind: type[nn.Module]
    values: dict[str, Array]
    """By their names in the torch module, in its layout."""


def fill(network: nn.Module, graph: Path) -> None:
    """Copy a published graph's weights into a network of the same structure.

    Raises ValueError, naming the layer, if the structures differ anywhere.
    """
    if isinstance(network, LineClassifier):
        _fill_by_name(network, _Graph(graph))
        return
    layers = read_layers(graph)
    modules = [(name, m) for name, m in network.named_modules() if isinstance(m, _KINDS)]
    if len(layers) != len(modules):
        raise ValueError(f"the graph has {len(layers)} layers, the network {len(modules)}")
    for layer, (name, module) in zip(layers, modules, strict=True):
        if not isinstance(module, layer.kind):
            raise ValueError(f"{name} is no {layer.kind.__name__}")
        _copy(name, module, layer.values)


def read_layers(graph: Path) -> list[Layer]:
    """All layers with parameters, in the order of the nodes; raises ValueError on left-overs."""
    parsed = _Graph(graph)
    layers = [layer for node in parsed.nodes if (layer := _layer(parsed, node)) is not None]
    if unused := sorted(parsed.unused()):
        raise ValueError(f"parameters that belong to no layer: {', '.join(unused)}")
    return layers


_KINDS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm)


class _Graph:
    """A graph with its wrappers (Identity, Cast, Reshape of constants) looked through."""

    def __init__(self, path: Path) -> None:
        graph = onnx.load(path).graph
        self._constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self._source: dict[str, str] = {}
        self._used: set[str] = set()
        self.nodes: list[NodeProto] = []
        for node in graph.node:
            self._take(node)
        self._users: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._users.setdefault(self._root(name), []).append(node)
            if node.op_type == "Resize":  # its scales are floats, but nobody learned them
                self._used.update(map(self._root, node.input))

    def _take(self, node: NodeProto) -> None:
        if node.op_type == "Constant":
            self._constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type in ("Identity", "Cast") or self._reshapes_constant(node):
            self._source[node.output[0]] = node.input[0]
        else:
            self.nodes.append(node)

    def _reshapes_constant(self, node: NodeProto) -> bool:
        return node.op_type == "Reshape" and self._root(node.input[0]) in self._constants

    def _root(self, name: str) -> str:
        while name in self._source:
            name = self._source[name]
        return name

    def parameter(self, name: str) -> Array | None:
        """The floats behind a name, None if it is computed or a mere number."""
        root = self._root(name)
        value = self._constants.get(root)
        if value is None or not _is_parameter(value):
            return None
        self._used.add(root)
        return value.astype(np.float32)

    def named(self, name: str) -> Array:
        """The parameter of this name; raises ValueError."""
        value = self.parameter(name)
        if value is None:
            raise ValueError(f"the graph has no parameter {name}")
        return value

    def added(self, node: NodeProto) -> Array | None:
        """The parameter that is added to a node's output next, as a vector."""
        for user in self._users.get(node.output[0], []):
            values = [self.parameter(name) for name in user.input] if user.op_type == "Add" else []
            found = [value for value in values if value is not None]
            if found:
                return found[0].reshape(-1)
        return None

    def unused(self) -> set[str]:
        """Parameters that were never asked for."""
        every = {name for name, value in self._constants.items() if _is_parameter(value)}
        return every - self._used


def _is_parameter(value: NDArray[np.generic]) -> bool:
    """Whether it may be learned: a float array, not a mere number."""
    return value.dtype.kind == "f" and value.ndim > 0 and value.size > 0


def _layer(graph: _Graph, node: NodeProto) -> Layer | None:
    read = _READERS.get(node.op_type)
    return None if read is None else read(graph, node)


def _convolution(kind: type[nn.Module]) -> Callable[[_Graph, NodeProto], Layer | None]:
    def read(graph: _Graph, node: NodeProto) -> Layer | None:
        return Layer(kind, _weighted(graph.named(node.input[1]), graph.added(node)))

    return read


def _linear(graph: _Graph, node: NodeProto) -> Layer | None:
    weight = graph.parameter(node.input[1])
    if weight is None:  # two computed factors: attention
        return None
    return Layer(nn.Linear, _weighted(weight.T, graph.added(node)))


def _batch_norm(graph: _Graph, node: NodeProto) -> Layer:
    scale, shift, mean, variance = (graph.named(name) for name in node.input[1:5])
    values = {"weight": scale, "bias": shift, "running_mean": mean, "running_var": variance}
    return Layer(nn.BatchNorm2d, values)


def _layer_norm(graph: _Graph, node: NodeProto) -> Layer | None:
    """A layer norm ends in a product with its scale and a sum with its shift."""
    found = [value for name in node.input if (value := graph.parameter(name)) is not None]
    if not found or found[0].size == 1:
        return None
    return Layer(nn.LayerNorm, _weighted(found[0], graph.added(node)))


def _weighted(weight: Array, bias: Array | None) -> dict[str, Array]:
    return {"weight": weight} if bias is None else {"weight": weight, "bias": bias}


_READERS: dict[str, Callable[[_Graph, NodeProto], Layer | None]] = {
    "Conv": _convolution(nn.Conv2d),
    "ConvTranspose": _convolution(nn.ConvTranspose2d),
    "MatMul": _linear,
    "BatchNormalization": _batch_norm,
    "Mul": _layer_norm,
}


def _copy(name: str, module: nn.Module, values: dict[str, Array]) -> None:
    """Fill one module; raises ValueError unless names and shapes are exactly its own."""
    own = {key: value for key, value in module.state_dict().items() if value.ndim}
    theirs = {key: value.shape for key, value in values.items()}
    if theirs != {key: tuple(value.shape) for key, value in own.items()}:
        raise ValueError(f"{name}: the graph has {theirs}")
    with torch.no_grad():
        for key, value in values.items():
            own[key].copy_(torch.from_numpy(value.copy()))


def _fill_by_name(network: LineClassifier, graph: _Graph) -> None:
    for name, module in network.named_modules():
        if isinstance(module, _KINDS):
            _copy(name, module, dict(_named_values(graph, name, module)))
    if unused := sorted(graph.unused()):
        raise ValueError(f"parameters that belong to no layer: {', '.join(unused)}")


def _named_values(graph: _Graph, name: str, module: nn.Module) -> Iterator[tuple[str, Array]]:
    """Values of a layer: `blocks.0.expand.conv` is called conv2_expand in the graph, and so on."""
    if isinstance(module, nn.Linear):
        yield "weight", graph.named("fc_0.w_0").T
        yield "bias", graph.named("fc_0.b_0").reshape(-1)
        return
    prefix = _published_name(name)
    if isinstance(module, nn.BatchNorm2d):
        for key, ending in _NORM_ENDINGS.items():
            yield key, graph.named(f"{prefix}_bn_{ending}")
        return
    yield "weight", graph.named(f"{prefix}_weights")
    if _has_bias(module):
        yield "bias", graph.named(f"{prefix}_offset")


_NORM_ENDINGS = {
    "weight": "scale",
    "bias": "offset",
    "running_mean": "mean",
    "running_var": "variance",
}
_PARTS = {
    "expand": "expand",
    "depthwise": "depthwise",
    "project": "linear",
    "attention.reduce": "se_1",
    "attention.restore": "se_2",
}


def _published_name(name: str) -> str:
    path = name.removesuffix(".conv").removesuffix(".norm")
    if not path.startswith("blocks."):
        return {"stem": "conv1", "last": "conv_last"}[path]
    _, number, part = path.split(".", 2)
    return f"conv{int(number) + 2}_{_PARTS[part]}"


def _has_bias(module: nn.Module) -> bool:
    return isinstance(getattr(module, "bias", None), Tensor)
