"""Networks folded for deployment, and published ones given their branches back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ocr_core.branches import RepDepthwise, RepLargeKernel
from ocr_core.bundle import load_bundle
from ocr_core.conv_norm import ConvNorm, Foldable, UpConvNorm
from ocr_core.detection.lcnetv4_db import LCNetV4DB
from ocr_core.lcnet import LCNet, LCNetConfig
from ocr_core.networks import build, load_network
from ocr_core.recognition.lstm_node import LstmNode
from ocr_core.recognition.svtr_lcnetv4 import SvtrLCNetV4
from ocr_core.runtime.fold import deploy_form, settle_norms, with_branches

SHAPES = {"ppocrv6-small-det": (2, 3, 64, 96), "ppocrv6-small-rec": (2, 3, 48, 160)}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=list(SHAPES))
def published(request: pytest.FixtureRequest) -> tuple[LCNetV4DB | SvtrLCNetV4, Tensor]:
    """A network of PP-OCRv6 and a batch for it."""
    network = load_network(load_bundle(request.param))
    assert isinstance(network, LCNetV4DB | SvtrLCNetV4)
    return network, torch.rand(SHAPES[request.param], generator=torch.Generator().manual_seed(1))


def lived(module: nn.Module) -> nn.Module:
    """With batch norms as after some training: every number another one."""
    generator = torch.Generator().manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, low, high in (
                (norm.weight.data, -1.5, 1.5),
                (norm.bias.data, -1.0, 1.0),
                (norm.running_mean, -1.0, 1.0),
                (norm.running_var, 0.1, 2.0),
            ):
                assert values is not None
                values.copy_(low + (high - low) * torch.rand(values.shape, generator=generator))
    return module.eval()


def differ(a: Tensor, b: Tensor) -> float:
    """The largest difference, in parts of the largest value."""
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize(
    "unit",
    [
        ConvNorm(4, 6, 3, (2, 1)),
        ConvNorm(4, 4, 5, groups=4, dilation=1),
        UpConvNorm(4, 6),
        RepDepthwise(4),
        RepLargeKernel(4, 7),
        RepLargeKernel(4, 5),
    ],
    ids=lambda unit: type(unit).__name__,
)
def test_a_unit_computes_the_same_when_folded(unit: Foldable) -> None:
    features = torch.rand(2, 4, 9, 11)
    lived(unit)
    folded = unit.fold()
    with torch.inference_mode():
        assert differ(folded(features), unit(features)) < 1e-5
    kinds = {type(module) for module in folded.modules()}
    assert kinds <= {nn.Conv2d, nn.ConvTranspose2d}


@pytest.mark.parametrize("unit", [RepDepthwise(4), RepLargeKernel(4, 7), UpConvNorm(4, 6)])
def test_a_unit_takes_the_weights_of_its_twin(unit: Foldable) -> None:
    twin = copy.deepcopy(lived(unit)).fold()  # type: ignore[operator]
    unit.unfold(twin)
    for name, value in unit.fold().state_dict().items():
        assert torch.allclose(value, twin.state_dict()[name], atol=1e-6)


def test_a_unit_refuses_a_twin_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(4, 1, 3, 3\), not \(4, 1, 7, 7\)"):
        RepLargeKernel(4, 7).unfold(nn.Conv2d(4, 4, 3, groups=4))
    with pytest.raises(ValueError, match="Linear is no biased convolution"):
        ConvNorm(4, 4, 1).unfold(nn.Linear(4, 4))


@pytest.mark.parametrize(
    ("architecture", "config", "size"),
    [
        ("mobilenetv3-db", {"size": "small", "scale": 0.35, "attention": True}, (64, 96)),
        ("resnet-vd-db", {"neck": 32}, (64, 64)),
        ("mobilenetv3-line", {}, (48, 192)),
        ("lcnet-crnn", {"classes": 9, "scale": 0.25, "layers": 0}, (32, 100)),
    ],
)
def test_a_network_computes_the_same_without_its_batch_norms(
    architecture: str, config: dict[str, object], size: tuple[int, int]
) -> None:
    network = build(architecture, config).eval()
    images = torch.rand(2, 3, *size)
    settle_norms(network, [images])  # so that features keep their size through the layers
    folded = deploy_form(network)
    with torch.inference_mode():
        assert differ(folded(images), network(images)) < 1e-4
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_pp_lcnet_computes_the_same_without_its_batch_norms() -> None:
    network = LCNet(LCNetConfig(scale=0.25, classes=7)).eval()
    images = torch.rand(2, 3, 64, 64)
    settle_norms(network, [images])
    with torch.inference_mode():
        assert differ(deploy_form(network)(images), network(images)) < 1e-4


def test_a_published_network_answers_the_same_with_its_branches(
    published: tuple[LCNetV4DB | SvtrLCNetV4, Tensor],
) -> None:
    network, batch = published
    branched = with_branches(network)
    assert branched.config.branches
    assert len(list(branched.parameters())) > len(list(network.parameters()))
    with torch.inference_mode():
        expected = network(batch)
        assert differ(branched(batch), expected) < 1e-5
        assert differ(deploy_form(branched)(batch), expected) < 1e-5


def test_branches_fold_into_the_published_weights(
    published: tuple[LCNetV4DB | SvtrLCNetV4, Tensor],
) -> None:
    network, batch = published
    ours = deploy_form(with_branches(network, [batch])).state_dict()
    theirs = deploy_form(network).state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.allclose(ours[name], value, rtol=1e-6, atol=1e-5), name


def test_norms_that_met_the_data_let_training_begin_where_reading_is(
    published: tuple[LCNetV4DB | SvtrLCNetV4, Tensor],
) -> None:
    network, batch = published
    settled = with_branches(network, [batch])
    unsettled = with_branches(network)
    with torch.inference_mode():
        expected = network(batch)
        # what a first training step sees, with the statistics of its own batch
        assert differ(settled.train()(batch), expected) < 1e-3
        assert differ(unsettled.train()(batch), expected) > 0.1


def test_settled_norms_change_nothing_in_eval_mode() -> None:
    network = lived(build("lcnet-crnn", {"classes": 9, "scale": 0.25}))
    lines = torch.rand(2, 3, 32, 64)
    with torch.inference_mode():
        before = network(lines)
    settle_norms(network, [lines, 2 * lines])
    with torch.inference_mode():
        assert differ(network(lines), before) < 1e-4
    assert not network.training


def test_a_network_trained_with_branches_folds(
    published: tuple[LCNetV4DB | SvtrLCNetV4, Tensor],
) -> None:
    network, batch = published
    branched = with_branches(network, [batch]).train()
    optimizer = torch.optim.SGD(branched.parameters(), lr=1e-4)
    branched(batch).square().mean().backward()
    optimizer.step()
    branched.eval()
    with torch.inference_mode():
        trained = branched(batch)
        assert differ(trained, network(batch)) > 1e-4
        assert differ(deploy_form(branched)(batch), trained) < 1e-4


def test_only_an_lstm_of_both_directions_has_a_node() -> None:
    with pytest.raises(ValueError, match="both directions"):
        LstmNode(nn.LSTM(4, 4, batch_first=True))
