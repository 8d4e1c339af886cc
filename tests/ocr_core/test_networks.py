from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ocr_core import wheel
from ocr_core.bundle import load_bundle
from ocr_core.detection.lcnetv4_db import DetectorConfig, LCNetV4DB
from ocr_core.detection.map_branch import MapBranch
from ocr_core.errors import ModelDamaged
from ocr_core.networks import build, config_values, load_network, with_probabilities
from ocr_core.pretrained import fill, read_layers
from ocr_core.recognition.svtr_lcnetv4 import RecognizerConfig, SvtrLCNetV4
from ocr_core.runtime import RuntimeOptions, Session, open_session

FloatArray = NDArray[np.float32]
Picture = NDArray[np.uint8]
Batch = Callable[[list[Picture], int, int], FloatArray]

DETECTOR, RECOGNIZER, TURN = (model.name for model in wheel.MODELS)
REFERENCE = RuntimeOptions(engine="onnxruntime", precision="fp32")


class Pair:
    """A network of ours and the published graph it was filled from."""

    def __init__(self, name: str, graph: Path | None = None) -> None:
        bundle = load_bundle(name)
        self.network = load_network(bundle)
        self.module = with_probabilities(self.network)
        self.reference: Session = open_session(
            replace(bundle, graph=graph or bundle.graph), REFERENCE
        )

    def check(self, batch: FloatArray) -> None:
        """Differences up to 1e-4, and the same best class of every step."""
        with torch.inference_mode():
            ours = self.module(torch.from_numpy(batch)).numpy()
        theirs = self.reference.run(batch)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-4
        if theirs.ndim < 4:
            np.testing.assert_array_equal(ours.argmax(axis=-1), theirs.argmax(axis=-1))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def detector() -> Pair:
    return Pair(DETECTOR)


@pytest.fixture(scope="module")
def page_detector(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """With its means over rows and columns taken one after the other.

    ONNX Runtime 1.32 adds up the 60,000 features of a whole page one by one: its own error against
    double precision is then up to 2e-4, ours 1e-5.
    """
    path = tmp_path_factory.mktemp("graph") / "two_step_means.onnx"
    model = onnx.load(load_bundle(DETECTOR).graph)
    nodes = [part for node in model.graph.node for part in two_steps(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    return Pair(DETECTOR, path)


def two_steps(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    if node.op_type not in ("GlobalAveragePool", "ReduceMean"):
        return [node]
    source, target = node.input[0], node.output[0]
    rows = onnx.helper.make_node("ReduceMean", [source], [f"{target}.rows"], axes=[3])
    return [rows, onnx.helper.make_node("ReduceMean", [f"{target}.rows"], [target], axes=[2])]


@pytest.fixture(scope="module")
def recognizer() -> Pair:
    return Pair(RECOGNIZER)


@pytest.fixture(scope="module")
def turn() -> Pair:
    return Pair(TURN)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_default_configs_have_the_published_number_of_parameters() -> None:
    assert parameters(LCNetV4DB(DetectorConfig())) == 2_453_353
    assert parameters(SvtrLCNetV4(RecognizerConfig(classes=18_710))) == 5_266_910


@pytest.mark.parametrize("model", wheel.MODELS, ids=lambda model: model.name)
def test_a_config_survives_the_way_to_json_and_back(model: wheel.WheelModel) -> None:
    network = build(model.architecture, model.config)
    values = config_values(network)
    assert values.items() >= model.config.items()
    assert build(model.architecture, values).config == network.config


@pytest.mark.parametrize(("name", "layers"), [(DETECTOR, 85), (RECOGNIZER, 74)])
def test_every_layer_of_a_published_graph_is_found(name: str, layers: int) -> None:
    assert len(read_layers(load_bundle(name).graph)) == layers


@pytest.mark.parametrize("width", [320, 321, 1001, 37])
def test_the_recognizer_equals_the_published_graph_on_lines(
    recognizer: Pair, drawn_lines: list[Picture], as_batch: Batch, width: int
) -> None:
    recognizer.check(as_batch(drawn_lines[:1], 48, width))
    recognizer.check(as_batch(drawn_lines[1:], 48, width))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (320, 256)])
def test_the_detector_equals_the_published_graph(
    detector: Pair, drawn_page: Picture, as_batch: Batch, height: int, width: int
) -> None:
    detector.check(as_batch([drawn_page], height, width))


def test_the_detector_equals_the_published_graph_on_a_whole_page(
    page_detector: Pair, drawn_page: Picture, as_batch: Batch
) -> None:
    page_detector.check(as_batch([drawn_page], 736, 992))


def test_the_detector_equals_the_published_graph_on_two_pages_at_once(
    detector: Pair, drawn_page: Picture, as_batch: Batch
) -> None:
    detector.check(as_batch([drawn_page, drawn_page[::-1]], 320, 256))


def test_the_line_classifier_equals_the_published_graph(
    turn: Pair, drawn_lines: list[Picture], as_batch: Batch
) -> None:
    turn.check(as_batch([*drawn_lines, *(line[::-1, ::-1] for line in drawn_lines)], 48, 192))


def test_the_networks_equal_the_published_graphs_on_real_pages(
    page_detector: Pair, real_images: list[Path], as_batch: Batch
) -> None:
    for path in real_images:
        page_detector.check(as_batch([np.asarray(Image.open(path).convert("RGB"))], 736, 992))


def test_the_networks_equal_the_published_graphs_on_real_crops(
    recognizer: Pair, turn: Pair, real_crops: list[Picture], as_batch: Batch
) -> None:
    for crop in real_crops:
        recognizer.check(as_batch([crop], 48, max(37, round(48 * crop.shape[1] / crop.shape[0]))))
    turn.check(as_batch(real_crops, 48, 192))


def test_a_line_is_one_step_per_eight_columns(recognizer: Pair) -> None:
    # T = floor(ceil(ceil(W/2)/2)/2): 320 -> 160 -> 80 -> 40; 37 -> 19 -> 10 -> 5
    for width, steps in ((320, 40), (321, 40), (1001, 125), (37, 5)):
        with torch.inference_mode():
            outputs = recognizer.network.outputs(torch.zeros(1, 3, 48, width))
        assert outputs.features.shape == (1, steps, 120)
        assert recognizer.network.steps(width) == steps


def test_a_network_refuses_the_weights_of_another() -> None:
    narrow = LCNetV4DB(DetectorConfig(neck=48))
    with pytest.raises(ValueError, match=r"neck\.laterals\.0\.conv"):
        fill(narrow, load_bundle(DETECTOR).graph)
    with pytest.raises(ValueError, match="85 layers, the network 74"):
        fill(SvtrLCNetV4(RecognizerConfig(classes=18_710)), load_bundle(DETECTOR).graph)


def test_a_bundle_with_a_foreign_architecture_is_damaged() -> None:
    bundle = load_bundle(DETECTOR)
    with pytest.raises(ModelDamaged, match="no architecture is called 'magic'"):
        load_network(replace(bundle, architecture="magic"))
    with pytest.raises(ModelDamaged, match="surprise"):
        load_network(replace(bundle, config={"surprise": 1}))


def test_a_fresh_threshold_branch_reads_the_same_features(detector: Pair) -> None:
    network = detector.network
    assert isinstance(network, LCNetV4DB)
    features = network.features(torch.zeros(1, 3, 64, 96))
    assert MapBranch(network.neck_channels, normed=True)(features).shape == (1, 1, 64, 96)


def test_every_parameter_of_a_network_can_learn() -> None:
    lines = torch.rand(2, 3, 48, 64)
    for network, images in (
        (build("lcnetv4-db", {}), torch.rand(2, 3, 64, 64)),
        (build("lcnetv4-light-svtr", {"classes": 50}), lines),
        (build("mobilenetv3-line", {}), torch.rand(2, 3, 48, 192)),
    ):
        network(images).square().sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
