"""A bundle's network as a torch module: built from its config, filled with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from safetensors.torch import load_file
from torch import nn

from ocr_core import pretrained
from ocr_core.bundle import Bundle
from ocr_core.detection.lcnetv4_db import DetectorConfig, LCNetV4DB
from ocr_core.detection.mobilenet_db import MobileNetDB, MobileNetDBConfig
from ocr_core.detection.resnet_db import ResNetDB, ResNetDBConfig
from ocr_core.errors import ModelDamaged
from ocr_core.orientation.line_classifier import LineClassifier, LineClassifierConfig
from ocr_core.recognition.crnn_lcnet import CrnnConfig, CrnnLCNet
from ocr_core.recognition.svtr_lcnetv4 import RecognizerConfig, SvtrLCNetV4

DetectorNetwork = LCNetV4DB | MobileNetDB | ResNetDB
RecognizerNetwork = SvtrLCNetV4 | CrnnLCNet
Network = DetectorNetwork | RecognizerNetwork | LineClassifier


class _Definition(NamedTuple):
    network: Callable[[Any], Network]
    config: Callable[..., Any]


ARCHITECTURES: Mapping[str, _Definition] = {
    "lcnetv4-db": _Definition(LCNetV4DB, DetectorConfig),
    "mobilenetv3-db": _Definition(MobileNetDB, MobileNetDBConfig),
    "resnet-vd-db": _Definition(ResNetDB, ResNetDBConfig),
    "lcnetv4-light-svtr": _Definition(SvtrLCNetV4, RecognizerConfig),
    "lcnet-crnn": _Definition(CrnnLCNet, CrnnConfig),
    "mobilenetv3-line": _Definition(LineClassifier, LineClassifierConfig),
}
"""What a bundle may call its architecture."""


def build(architecture: str, config: Mapping[str, Any]) -> Network:
    """A network with random weights; raises ValueError for an architecture unknown here."""
    definition = ARCHITECTURES.get(architecture)
    if definition is None:
        raise ValueError(f"no architecture is called {architecture!r}")
    values = {field: _tuples(value) for field, value in config.items()}
    return definition.network(definition.config(**values))


def architecture_of(network: Network) -> str:
    """The name `build` knows the network by."""
    return next(name for name, each in ARCHITECTURES.items() if each.network is type(network))


def load_network(bundle: Bundle) -> Network:
    """The bundle's network in eval mode, on the CPU; raises ModelDamaged."""
    try:
        network = build(bundle.architecture, bundle.config)
        if bundle.weights is None:
            pretrained.fill(network, bundle.graph)
        else:
            network.load_state_dict(load_file(bundle.weights))
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelDamaged(f"{bundle.name}: {error}") from error
    return network.eval()


def with_probabilities(network: Network) -> nn.Module:
    """The network as it is deployed: its logits turned into probabilities.

    Regions of text are independent (sigmoid), classes exclude each other (soft-max).
    """
    activation = nn.Sigmoid() if isinstance(network, DetectorNetwork) else nn.Softmax(dim=-1)
    return nn.Sequential(network, activation).eval()


def config_values(network: Network) -> dict[str, Any]:
    """The network's config as JSON values, `build`'s other direction."""
    return {field: _lists(value) for field, value in asdict(network.config).items()}


def input_profile(network: Network) -> dict[str, Any]:
    """The numbers of a bundle's profile that the network fixes by itself."""
    if isinstance(network, DetectorNetwork):
        return {"multiple": 32}
    if isinstance(network, RecognizerNetwork):
        return {"height": network.height, "stride": network.stride}
    return {}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _lists(value: Any) -> Any:
    return list(map(_lists, value)) if isinstance(value, tuple) else value
