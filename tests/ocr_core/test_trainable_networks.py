"""The networks of PP-OCRv2 as they are trained: sizes, shapes and the step function."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ocr_core.detection.differentiable import DifferentiableDB, Maps
from ocr_core.detection.mobilenet_db import MobileNetDB, MobileNetDBConfig
from ocr_core.detection.resnet_db import ResNetDB, ResNetDBConfig
from ocr_core.lcnet import LCNet, LCNetConfig
from ocr_core.mobilenet_v3 import scaled
from ocr_core.networks import ARCHITECTURES, architecture_of, build, config_values
from ocr_core.recognition.crnn_lcnet import CrnnConfig, CrnnLCNet

SMALLEST = MobileNetDBConfig(size="small", scale=0.35, neck=48)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def parameters(*modules: nn.Module | None) -> int:
    return sum(p.numel() for module in modules if module for p in module.parameters())


def test_the_student_has_the_size_of_pp_ocrv2() -> None:
    student = MobileNetDB(MobileNetDBConfig())
    assert parameters(student.backbone) == 398_480
    assert parameters(student.neck) == 138_240
    assert parameters(student.text) == 23_257
    assert parameters(student) == 559_977
    assert parameters(DifferentiableDB(student)) == 583_234
    assert student.backbone.widths == [16, 24, 56, 480]


def test_the_teachers_have_the_size_of_pp_ocrv2() -> None:
    small = ResNetDB(ResNetDBConfig())
    assert parameters(small) == 12_199_969
    assert parameters(DifferentiableDB(small)) == 12_364_386
    assert parameters(ResNetDB(ResNetDBConfig(depth=50))) == 25_264_545


def test_the_recognizer_has_the_size_of_pp_ocrv2() -> None:
    network = CrnnLCNet(CrnnConfig(classes=6625))
    assert parameters(network.stem, network.blocks) == 1_016_160
    assert parameters(network.lstm) == 395_264
    assert parameters(network.middle) == 12_384
    assert parameters(network.head) == 642_625
    assert parameters(network) == 2_066_433


def test_pp_lcnet_has_the_published_sizes() -> None:
    published = {0.25: 1.5, 0.35: 1.6, 0.5: 1.9, 0.75: 2.4, 1.0: 3.0, 1.5: 4.5, 2.0: 6.5, 2.5: 9.0}
    for scale, millions in published.items():
        assert round(parameters(LCNet(LCNetConfig(scale=scale))) / 1e6, 1) == millions


def test_pp_lcnet_tells_the_classes_of_an_image_of_any_size() -> None:
    network = LCNet(LCNetConfig(scale=0.25, classes=7)).eval()
    assert network(torch.rand(2, 3, 64, 96)).shape == (2, 7)
    attentive = [block.attention is not None for block in network.blocks]
    assert attentive == [False] * 11 + [True] * 2  # the last two blocks only


def test_the_line_classifier_has_the_published_size() -> None:
    assert parameters(build("mobilenetv3-line", {})) == 129_356


def test_widths_are_multiples_of_eight_and_never_much_below_the_wanted_one() -> None:
    # 24 · 0.5 = 12 -> 16; 16 · 0.35 = 5.6 -> 8; 576 · 0.35 = 201.6 -> 200; 30 · 0.7 = 21 -> 24
    assert [scaled(24, 0.5), scaled(16, 0.35), scaled(576, 0.35), scaled(30, 0.7)] == [
        16,
        8,
        200,
        24,
    ]


@pytest.mark.parametrize("network", [MobileNetDB(SMALLEST), ResNetDB(ResNetDBConfig(neck=32))])
def test_maps_are_as_large_as_the_image(network: MobileNetDB | ResNetDB) -> None:
    images = torch.rand(2, 3, 64, 96)
    assert network.features(images).shape == (2, network.neck_channels, 16, 24)
    assert network(images).shape == (2, 1, 64, 96)
    maps = DifferentiableDB(network)(images)
    assert maps.text.shape == maps.threshold.shape == maps.binary.shape == (2, 64, 96)


def test_the_binary_map_is_the_steep_step_of_the_paper() -> None:
    # P = .6, T = .5 gives .993307 and P = .52, T = .5 gives .731059
    text = torch.logit(torch.tensor([[[0.6, 0.52]]]))
    maps = Maps(text, torch.zeros_like(text))
    assert torch.allclose(maps.binary, torch.tensor([0.993307, 0.731059]), atol=1e-6)


def test_the_binary_map_is_computed_in_single_precision() -> None:
    # in half precision P and T of 0.002 apart would be rounded before they are enlarged 50 times
    text = torch.logit(torch.tensor([[[0.502]]])).half()
    maps = Maps(text, torch.zeros_like(text))
    assert maps.binary.dtype == torch.float32
    assert maps.binary.item() == pytest.approx(1 / (1 + math.exp(-50 * 0.002)), abs=1e-3)


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize("height", [32, 48])
def test_a_line_has_as_many_steps_as_the_recognizer_says(stride: int, height: int) -> None:
    config = CrnnConfig(classes=9, scale=0.25, time_stride=stride, height=height)
    network = CrnnLCNet(config).eval()
    for width in (320, 321, 37, 102, 103):
        with torch.inference_mode():
            outputs = network.outputs(torch.rand(1, 3, height, width))
        assert outputs.logits.shape == (1, network.steps(width), 9)
        assert outputs.features.shape == (1, network.steps(width), 96)
        assert outputs.backbone.shape == (1, 256, network.steps(width))
    assert network.steps(320) == 320 // stride


def test_the_recognizer_works_without_lstm_and_middle_layer() -> None:
    config = CrnnConfig(classes=9, scale=0.125, layers=0, middle=None)
    outputs = CrnnLCNet(config).outputs(torch.rand(2, 3, 32, 64))
    assert torch.equal(outputs.features, outputs.backbone.transpose(1, 2))


@pytest.mark.parametrize(
    ("architecture", "config", "size"),
    [
        ("mobilenetv3-db", config_values(MobileNetDB(SMALLEST)), (64, 64)),
        ("mobilenetv3-db", {"size": "small", "attention": True, "scale": 0.35}, (64, 64)),
        ("resnet-vd-db", {"neck": 32}, (64, 64)),
        ("lcnetv4-db", {"branches": True}, (64, 64)),
        ("lcnet-crnn", {"classes": 9, "scale": 0.25}, (32, 64)),
        ("lcnetv4-light-svtr", {"classes": 9, "branches": True}, (48, 64)),
    ],
)
def test_every_parameter_can_learn(
    architecture: str, config: dict[str, object], size: tuple[int, int]
) -> None:
    network = build(architecture, config)
    assert architecture_of(network) == architecture
    network(torch.rand(2, 3, *size)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("architecture", "config", "reason"),
    [
        ("mobilenetv3-db", {"size": "huge"}, "large or small"),
        ("mobilenetv3-db", {"neck": 30}, "multiple of 4"),
        ("resnet-vd-db", {"depth": 19}, "18, 34, 50"),
        ("lcnet-crnn", {"classes": 9, "time_stride": 2}, "4 or 8"),
        ("lcnet-crnn", {"classes": 9, "height": 40}, "multiple of 16"),
        ("magic", {}, "no architecture is called 'magic'"),
    ],
)
def test_a_wrong_config_is_refused_with_its_reason(
    architecture: str, config: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build(architecture, config)


def test_every_architecture_has_a_network_of_its_own() -> None:
    networks = [definition.network for definition in ARCHITECTURES.values()]
    assert len(set(networks)) == len(networks)
