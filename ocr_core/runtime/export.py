"""Torch network → bundle folder with a static graph, proved to compute the same.

publish         a trained network and the facts about it → a bundle
export_bundle   a bundle → one with weights for torch and a graph made from them
export_graph    a module → one ONNX file
"""

from __future__ import annotations

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim

from ocr_core.bundle import GRAPH, WEIGHTS, Bundle, file_hash, load_bundle, save_bundle
from ocr_core.detection.detector import DetectorProfile
from ocr_core.errors import BundleExists
from ocr_core.geometry import ImageArray
from ocr_core.networks import (
    Network,
    RecognizerNetwork,
    architecture_of,
    config_values,
    input_profile,
    load_network,
    with_probabilities,
)
from ocr_core.recognition.recognizer import line_scale
from ocr_core.runtime.fold import deploy_form
from ocr_core.runtime.proof import TOLERANCE, prove_equal, sample_batches
from ocr_core.wheel import ModelKind

OPSET = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedFacts:
    """What a bundle says of a network besides its weights."""

    name: str
    kind: ModelKind
    charset: tuple[str, ...] | None = None
    """Characters in class order, the blank (class 0) left out; None if it writes no text."""
    profile: Mapping[str, Any]
    """Numbers of pre- and post-processing; those that the network fixes need not be there."""
    origin: str
    """Where the weights come from, and whose they are."""
    license: str
    parent: str | None = None
    """Name and hash of the bundle the training started from."""
    command: str | None = None
    metrics: Mapping[str, Any] | None = None


def publish(
    network: Network,
    folder: Path,
    facts: TrainedFacts,
    images: Sequence[ImageArray] = (),
    tolerance: float = TOLERANCE,
) -> Bundle:
    """Write a network as a bundle folder: the weights as they are trained, the graph folded.

    `images` are (H, W, 3) uint8 pages or lines to prove the equality on; drawn text if none is
    given. Raises ExportMismatch, leaving nothing behind, BundleExists, or ModelUnsuited if the
    reader could not use it; ValueError if the facts are not the network's. The network is left
    as it is, on whatever device.
    """
    if folder.exists():
        raise BundleExists(str(folder))
    _check_charset(network, facts)
    profile = _profile(network, facts)
    still = _plain(network)
    with tempfile.TemporaryDirectory(prefix="pagemill-export-") as draft:
        bundle = _written(still, Path(draft), facts, profile)
        batches = sample_batches(bundle, images)
        prove_equal(with_probabilities(still), bundle, batches, tolerance)
        return save_bundle(bundle, folder)


def export_bundle(
    name: str | Path,
    folder: Path,
    images: Sequence[ImageArray] = (),
    tolerance: float = TOLERANCE,
) -> Bundle:
    """Write a bundle anew, its graph made from its network; see `publish` for the rest."""
    if folder.exists():
        raise BundleExists(str(folder))
    bundle = load_bundle(name)
    source = bundle.files[GRAPH]
    facts = TrainedFacts(
        name=bundle.name,
        kind=bundle.kind,
        charset=bundle.charset,
        profile=bundle.profile,
        origin=f"{bundle.origin}; converted and exported anew from the graph with SHA-256 {source}"
        if bundle.builtin
        else bundle.origin,
        license=bundle.license,
        parent=f"{bundle.name} {bundle.sha256}",
        command=f"pagemill models export {bundle.name}",
        metrics=bundle.metrics,
    )
    return publish(load_network(bundle), folder, facts, images, tolerance)


def _plain(network: Network) -> Network:
    """A copy in eval mode on the CPU, with its weights in the common memory layout."""
    still = copy.deepcopy(network).cpu().eval()
    for parameter in still.parameters():
        parameter.data = parameter.data.contiguous()
    return still


def _check_charset(network: Network, facts: TrainedFacts) -> None:
    if not isinstance(network, RecognizerNetwork):
        return
    characters = len(facts.charset or ())
    if network.config.classes != characters + 1:
        told = f"{network.config.classes} classes, but a charset of {characters} and the blank"
        raise ValueError(f"the network has {told}")


def _profile(network: Network, facts: TrainedFacts) -> dict[str, Any]:
    """The bundle's profile, as JSON values; raises ModelUnsuited if the reader could not use it."""
    values = {**facts.profile, **input_profile(network)}
    profile: dict[str, Any] = json.loads(json.dumps(values))
    if facts.kind == "detector":
        DetectorProfile.of_bundle(profile)
    elif facts.kind == "recognizer":
        line_scale(profile)
    return profile


def _written(
    network: Network, folder: Path, facts: TrainedFacts, profile: Mapping[str, Any]
) -> Bundle:
    """The bundle that describes weights and graph, which are written into the folder."""
    graph, weights = folder / GRAPH, folder / WEIGHTS
    save_file(network.state_dict(), weights)
    export_graph(with_probabilities(deploy_form(network)), graph, facts.kind, profile)
    return Bundle(
        name=facts.name,
        kind=facts.kind,
        architecture=architecture_of(network),
        config=config_values(network),
        charset=facts.charset,
        profile=profile,
        graph=graph,
        weights=weights,
        files={GRAPH: file_hash(graph), WEIGHTS: file_hash(weights)},
        origin=facts.origin,
        license=facts.license,
        parent=facts.parent,
        command=facts.command,
        metrics=facts.metrics,
    )


def export_graph(
    module: nn.Module, path: Path, kind: ModelKind, profile: Mapping[str, Any]
) -> None:
    """Write a module as one ONNX file whose batch, height and width stay open as `kind` allows."""
    example = torch.zeros(_example(kind, profile))
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=(_open_axes(kind),),
            input_names=["x"],
            output_names=["probabilities"],
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None  # it is None only for the older exporter
    model = _without_traces(program.model_proto)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _example(kind: ModelKind, profile: Mapping[str, Any]) -> tuple[int, ...]:
    match kind:
        case "detector":
            return 2, 3, 64, 96
        case "recognizer":
            return 2, 3, int(profile["height"]), 320
        case "line_orientation":
            return 2, 3, int(profile["height"]), int(profile["width"])


def _open_axes(kind: ModelKind) -> dict[int, Any]:
    match kind:
        case "detector":
            return {0: Dim.AUTO, 2: 32 * Dim("rows", min=1), 3: 32 * Dim("columns", min=1)}
        case "recognizer":
            return {0: Dim.AUTO, 3: Dim.AUTO}
        case "line_orientation":
            return {0: Dim.AUTO}


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's stack traces: they hold paths of this machine."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on its own future and on torchvision from the user."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
