"""A network is trained, published, exported again and read with: on one small drawn page."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ocr_core.bundle import Bundle, load_bundle
from ocr_core.detection.detector import Detector, DetectorProfile
from ocr_core.errors import BundleExists, ModelUnsuited
from ocr_core.networks import Network, build, load_network, with_probabilities
from ocr_core.page import PageResult
from ocr_core.reader import PageLines, Reader, ReaderOptions, StageClock
from ocr_core.recognition.recognizer import Recognizer, line_input
from ocr_core.recognition.words import LineScale
from ocr_core.runtime import RuntimeOptions, open_session
from ocr_core.runtime.export import TrainedFacts, publish
from ocr_core.runtime.proof import cut_lines

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]

TEXT = ("4711 2024", "3160 8059")
CHARSET = tuple("0123456789 ")
SIZE = (224, 128)
PAGES = {
    "order": "bgr",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "threshold": 0.3,
    "box_threshold": 0.6,
    "unclip": 2.0,
    "max_candidates": 100,
    "first_pixels": SIZE[0] * SIZE[1],
    "largest_zoom": 1.0,
}
LINES = {"order": "bgr", "mean": (0.5,) * 3, "std": (0.5,) * 3}


@dataclass(frozen=True)
class Sheet:
    page: Picture
    boxes: list[Box]


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    """A page with two lines of digits."""
    torch.set_num_threads(1)
    picture = Image.new("RGB", SIZE, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(32)
    boxes = []
    for i, text in enumerate(TEXT):
        draw.text((30, 16 + 54 * i), text, fill="black", font=font)
        boxes.append(draw.textbbox((30, 16 + 54 * i), text, font=font))
    return Sheet(np.asarray(picture).copy(), boxes)


def facts(name: str) -> TrainedFacts:
    detector = name.endswith("det")
    return TrainedFacts(
        name=name,
        kind="detector" if detector else "recognizer",
        charset=None if detector else CHARSET,
        profile=PAGES if detector else LINES,
        origin="drawn digits",
        license="CC0-1.0",
        command="pagemill train",
        metrics={"steps": 80},
    )


def trained_detector(sheet: Sheet) -> Network:
    """Knows the page by heart: 60 steps of Dice on the shrunken lines."""
    torch.manual_seed(0)
    network = build("mobilenetv3-db", {"size": "small", "scale": 0.35, "neck": 48})
    normal = (sheet.page / 255 - np.array(PAGES["mean"])[::-1]) / np.array(PAGES["std"])[::-1]
    page = torch.from_numpy(normal.transpose(2, 0, 1)[::-1].astype(np.float32).copy())[None]
    target = torch.zeros(SIZE[::-1])
    for x0, y0, x1, y1 in sheet.boxes:
        by = (y1 - y0) // 4
        target[int(y0 + by) : int(y1 - by), int(x0 + by) : int(x1 - by)] = 1

    def loss() -> Tensor:
        text = network(page)[0, 0].sigmoid()
        return 1 - 2 * (text * target).sum() / (text.sum() + target.sum())

    return learn(network, loss, steps=60, rate=1e-2)


def trained_recognizer(crops: list[Picture]) -> Network:
    """Knows two lines by heart: height 32, four columns a step, an LSTM."""
    torch.manual_seed(0)
    network = build(
        "lcnet-crnn", {"classes": 12, "scale": 0.125, "layers": 1, "hidden": 96, "middle": None}
    )
    batch = torch.cat([torch.from_numpy(line_input(each)) for each in crops])
    ids = [[CHARSET.index(character) + 1 for character in text] for text in TEXT]
    targets = torch.tensor([i for line in ids for i in line])

    def loss() -> Tensor:
        steps = network(batch).log_softmax(-1).transpose(0, 1)
        frames = torch.full((len(ids),), len(steps))
        return F.ctc_loss(steps, targets, frames, torch.tensor([len(each) for each in ids]))

    return learn(network, loss, steps=120, rate=1e-2)


def found_lines(page: Picture, bundle: Bundle) -> list[Picture]:
    """The lines of a page, from the top, as a reader cuts them out for this recogniser."""
    session = open_session(bundle, RuntimeOptions(precision="fp32"))
    quads = Detector(session, DetectorProfile.of_bundle(bundle.profile)).find(page).quads
    low = Recognizer(session, CHARSET, LineScale(height=32, stride=4))
    lines = PageLines(page, quads[np.argsort(quads[:, 0, 1])], low, StageClock())
    return [lines.crop(number, 0) for number in range(len(quads))]


def learn(network: Network, loss: object, steps: int, rate: float) -> Network:
    assert callable(loss)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return network


@pytest.fixture(scope="module")
def detector(sheet: Sheet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Bundle]:
    network = trained_detector(sheet)
    folder = tmp_path_factory.mktemp("models") / "digits-det"
    return network, publish(network, folder, facts("digits-det"), [sheet.page])


@pytest.fixture(scope="module")
def recognizer(
    sheet: Sheet, detector: tuple[Network, Bundle], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, Bundle]:
    crops = found_lines(sheet.page, detector[1])
    network = trained_recognizer(crops).to(memory_format=torch.channels_last)  # as on a GPU
    folder = tmp_path_factory.mktemp("models") / "digits-rec"
    return network, publish(network, folder, facts("digits-rec"), crops)


def folder_of(bundle: Bundle) -> str:
    return str(bundle.graph.parent)


def read(sheet: Sheet, **options: str) -> PageResult:
    return Reader.open(ReaderOptions(**options)).read(sheet.page)


def test_a_page_is_read_with_a_trained_recognizer_of_another_height_and_stride(
    sheet: Sheet, recognizer: tuple[Network, Bundle], detector: tuple[Network, Bundle]
) -> None:
    result = read(sheet, detector=folder_of(detector[1]), recognizer=folder_of(recognizer[1]))
    assert [line.text.replace(" ", "") for line in result.lines] == ["47112024", "31608059"]
    for line, (x0, y0, x1, y1) in zip(result.lines, sheet.boxes, strict=True):
        assert line.box[1] < (y0 + y1) / 2 < line.box[3]
        # words lie where they were drawn, the first one from the first ink of the line
        assert line.words[0].quad[0][0] == pytest.approx(x0, abs=4)
        assert line.words[-1].quad[1][0] == pytest.approx(x1, abs=12)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch"])
def test_a_trained_bundle_answers_alike_on_every_engine(
    recognizer: tuple[Network, Bundle], engine: str
) -> None:
    network, bundle = copy.deepcopy(recognizer[0]).eval(), recognizer[1]
    session = open_session(bundle, RuntimeOptions(engine=engine, precision="fp32"))
    for count, width in ((1, 37), (2, 192), (1, 640)):
        lines = np.random.default_rng(0).uniform(-1, 1, (count, 3, 32, width)).astype(np.float32)
        with torch.inference_mode():
            expected = with_probabilities(network)(torch.from_numpy(lines)).numpy()
        np.testing.assert_allclose(session.run(lines), expected, atol=1e-4)


def test_the_weights_of_a_bundle_are_those_that_were_trained(
    recognizer: tuple[Network, Bundle], detector: tuple[Network, Bundle]
) -> None:
    for network, bundle in (recognizer, detector):
        loaded = load_network(load_bundle(bundle.graph.parent)).state_dict()
        for name, value in network.state_dict().items():
            assert torch.equal(loaded[name], value), name


def test_the_graph_of_a_bundle_holds_no_batch_norm_and_no_unrolled_lstm(
    recognizer: tuple[Network, Bundle], detector: tuple[Network, Bundle]
) -> None:
    kinds = [
        [n.op_type for n in onnx.load(each[1].graph).graph.node] for each in (recognizer, detector)
    ]
    assert "BatchNormalization" not in kinds[0] + kinds[1]
    assert kinds[0].count("LSTM") == 1


def test_a_bundle_says_what_it_is(recognizer: tuple[Network, Bundle]) -> None:
    bundle = recognizer[1]
    manifest = json.loads((bundle.graph.parent / "model.json").read_text(encoding="utf-8"))
    assert (bundle.architecture, bundle.charset) == ("lcnet-crnn", CHARSET)
    assert manifest["profile"] == {
        "order": "bgr",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "height": 32,
        "stride": 4,
    }
    assert (manifest["command"], manifest["metrics"]) == ("pagemill train", {"steps": 80})


def test_training_may_go_on_after_a_network_was_published(
    recognizer: tuple[Network, Bundle],
) -> None:
    assert recognizer[0].training


def test_a_bundle_that_could_not_be_read_with_is_refused_before_it_is_made(
    recognizer: tuple[Network, Bundle], detector: tuple[Network, Bundle], tmp_path: Path
) -> None:
    network, bundle = recognizer
    good = facts("digits-rec")
    with pytest.raises(ValueError, match="12 classes, but a charset of 3 and the blank"):
        publish(network, tmp_path / "new", replace(good, charset=("a", "b", " ")))
    with pytest.raises(ModelUnsuited, match="blue, green, red"):
        publish(network, tmp_path / "new", replace(good, profile={**LINES, "order": "rgb"}))
    lacking = {name: value for name, value in PAGES.items() if name != "unclip"}
    with pytest.raises(ModelUnsuited, match="lacks 'unclip'"):
        publish(detector[0], tmp_path / "new", replace(facts("digits-det"), profile=lacking))
    with pytest.raises(BundleExists):
        publish(network, bundle.graph.parent, good)


def test_a_model_in_the_place_of_another_kind_is_refused(
    recognizer: tuple[Network, Bundle], detector: tuple[Network, Bundle]
) -> None:
    with pytest.raises(ModelUnsuited, match="digits-rec is no detector but a recognizer"):
        Reader.open(ReaderOptions(detector=folder_of(recognizer[1])))
    with pytest.raises(ModelUnsuited, match="digits-det is no recognizer but a detector"):
        Reader.open(ReaderOptions(recognizer=folder_of(detector[1])))


def test_lines_to_prove_a_recognizer_on_are_cut_from_pages(sheet: Sheet) -> None:
    lines = cut_lines([np.kron(sheet.page, np.ones((2, 2, 1), np.uint8))])
    assert len(lines) == 2
    assert all(line.shape[1] > 2 * line.shape[0] for line in lines)
