"""Torch module → static graph, with the proof that both compute the same."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim

from ocr_core.bundle import GRAPH, WEIGHTS, Bundle, file_hash, load_bundle, save_bundle
from ocr_core.errors import BundleExists, EngineFailed, ExportMismatch
from ocr_core.geometry import ImageArray
from ocr_core.networks import Network, config_values, load_network, with_probabilities
from ocr_core.runtime import (
    FloatArray,
    RuntimeOptions,
    Session,
    installed_engines,
    open_session,
)
from ocr_core.wheel import ModelKind

TOLERANCE = 1e-4
"""Largest difference of a probability between network and graph; fp32 gives about 5e-6."""

OPSET = 20

_EXAMPLES: dict[ModelKind, tuple[int, ...]] = {
    "detector": (2, 3, 64, 96),
    "recognizer": (2, 3, 48, 320),
    "line_orientation": (2, 3, 48, 192),
}


def export_bundle(
    name: str | Path,
    folder: Path,
    images: Sequence[ImageArray] = (),
    tolerance: float = TOLERANCE,
) -> Bundle:
    """Write a bundle as a folder with weights for torch and a static graph made from them.

    `images` are (H, W, 3) uint8 pages or lines to prove the equality on; drawn text if none is
    given. Raises ExportMismatch, leaving nothing behind, or BundleExists.
    """
    if folder.exists():
        raise BundleExists(str(folder))
    bundle = load_bundle(name)
    network = load_network(bundle)
    with tempfile.TemporaryDirectory(prefix="pagemill-export-") as draft:
        written = write_files(bundle, network, Path(draft))
        prove_equal(with_probabilities(network), written, sample_batches(bundle, images), tolerance)
        return save_bundle(written, folder)


def write_files(bundle: Bundle, network: Network, folder: Path) -> Bundle:
    """Write weights and graph of a network; the bundle that describes them, made from another."""
    graph, weights = folder / GRAPH, folder / WEIGHTS
    save_file(network.state_dict(), weights)
    export_graph(with_probabilities(network), graph, bundle.kind)
    source = bundle.files[GRAPH]
    return replace(
        bundle,
        config=config_values(network),
        graph=graph,
        weights=weights,
        files={GRAPH: file_hash(graph), WEIGHTS: file_hash(weights)},
        origin=f"{bundle.origin}; converted and exported anew from the graph with SHA-256 {source}",
        parent=f"{bundle.name} {bundle.sha256}",
        command=f"pagemill models export {bundle.name}",
    )


def export_graph(module: nn.Module, path: Path, kind: ModelKind) -> None:
    """Write a module as one ONNX file whose batch, height and width stay open as `kind` allows."""
    example = torch.zeros(_EXAMPLES[kind])
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


def prove_equal(
    module: nn.Module,
    bundle: Bundle,
    batches: Sequence[FloatArray],
    tolerance: float = TOLERANCE,
) -> float:
    """The largest difference between a module and a bundle's graph, on every static engine, fp32.

    Raises ExportMismatch if it is above the tolerance, or if the most probable class of any step
    differs; raises ValueError if there is nothing to compare.
    """
    if not batches:
        raise ValueError("equality cannot be proved without images")
    largest = 0.0
    for engine in installed_engines():
        if engine == "torch":
            continue
        session = open_session(bundle, RuntimeOptions(engine=engine, precision="fp32"))
        for batch in batches:
            largest = max(largest, _difference(module, session, batch, tolerance))
    return largest


def sample_batches(bundle: Bundle, images: Sequence[ImageArray] = ()) -> list[FloatArray]:
    """Images as this network takes them, alone, and by twos in another size.

    Two sizes and two batches of each, for an exporter may freeze either without a word.
    """
    given = images or list(drawn_images())
    alone = [_network_input(bundle, image) for image in given]
    cut = [_network_input(bundle, image[:, : image.shape[1] * 2 // 3]) for image in given]
    return [*alone, *(np.concatenate((batch, batch[..., ::-1])) for batch in cut)]


def drawn_images() -> Iterator[ImageArray]:
    """Lines and a page of text, drawn; odd widths among them."""
    text = "Invoice no. 20-417, due 31 May: total 1,284.50 EUR; thank you! Grüße, Pagemill & Co."
    for width, size in ((320, 28), (321, 30), (1001, 32), (37, 24)):
        yield _drawn((width, 48), [text], size)
    yield _drawn((496, 352), [text[i:] for i in range(0, 40, 3)], 20)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's stack traces: they hold paths of this machine."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
    return model


def _difference(module: nn.Module, session: Session, batch: FloatArray, tolerance: float) -> float:
    try:
        actual = session.run(batch)
    except EngineFailed as error:
        raise ExportMismatch(error.detail) from error
    with torch.inference_mode():
        expected = module(torch.from_numpy(batch)).numpy()
    if actual.shape != expected.shape:
        raise ExportMismatch(f"shape {actual.shape}, not {expected.shape}, for {batch.shape}")
    largest = float(np.abs(actual - expected).max())
    if not largest <= tolerance:  # written so that NaN is refused too
        raise ExportMismatch(f"{largest:.2g} at {batch.shape}, allowed is {tolerance:.2g}")
    if actual.shape[-1] > 1 and actual.ndim < 4:  # classes, not a map
        different = int((actual.argmax(axis=-1) != expected.argmax(axis=-1)).sum())
        if different:
            raise ExportMismatch(f"{different} steps at {batch.shape} have another best class")
    return largest


def _open_axes(kind: ModelKind) -> dict[int, Any]:
    match kind:
        case "detector":
            return {0: Dim.AUTO, 2: 32 * Dim("rows", min=1), 3: 32 * Dim("columns", min=1)}
        case "recognizer":
            return {0: Dim.AUTO, 3: Dim.AUTO}
        case "line_orientation":
            return {0: Dim.AUTO}


def _network_input(bundle: Bundle, image: ImageArray) -> FloatArray:
    """(H, W, 3) uint8 RGB to (1, 3, h, w), sized and normalised by the bundle's profile."""
    profile = bundle.profile
    picture = Image.fromarray(image).convert("RGB")
    pixels = np.asarray(picture.resize(_size(bundle, picture.size)), dtype=np.float32) / 255
    ordered = pixels[..., ::-1] if profile["order"] == "bgr" else pixels
    normal = (ordered - np.float32(profile["mean"])) / np.float32(profile["std"])
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None], dtype=np.float32)


def _size(bundle: Bundle, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which the network takes an image of this size."""
    width, height = size
    profile = bundle.profile
    if bundle.kind == "detector":
        multiple = int(profile["multiple"])
        return -(-width // multiple) * multiple, -(-height // multiple) * multiple
    if bundle.kind == "line_orientation":
        return int(profile["width"]), int(profile["height"])
    wide = round(width * profile["height"] / height)
    return min(max(wide, 16), 3200), int(profile["height"])


def _drawn(size: tuple[int, int], lines: Sequence[str], height: int) -> ImageArray:
    picture = Image.new("RGB", size, (246, 243, 238))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(height)
    for i, line in enumerate(lines):
        draw.text((4, 4 + i * 1.3 * height), line, fill=(32, 28, 40), font=font)
    return np.asarray(picture)


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
