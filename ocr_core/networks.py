"""A bundle's network as a torch module: built from its config, filled with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

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


def build(architecture: str, config: Mapping[str, Any]) -> Network:
    """A network with random weights; raises ValueError for an architecture unknown here."""
    values = {field: _tuples(value) for field, value in config.items()}
    match architecture:
        case "lcnetv4-db":
            return LCNetV4DB(DetectorConfig(**values))
        case "mobilenetv3-db":
            return MobileNetDB(MobileNetDBConfig(**values))
        case "resnet-vd-db":
            return ResNetDB(ResNetDBConfig(**values))
        case "lcnet-crnn":
            return CrnnLCNet(CrnnConfig(**values))
        case "lcnetv4-light-svtr":
            return SvtrLCNetV4(RecognizerConfig(**values))
        case "mobilenetv3-line":
            return LineClassifier(LineClassifierConfig(**values))
    raise ValueError(f"no architecture is called {architecture!r}")


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


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _lists(value: Any) -> Any:
    return list(map(_lists, value)) if isinstance(value, tuple) else value
