from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ocr_core.bundle import Bundle, import_bundle, load_bundle
from ocr_core.errors import BundleExists, ExportMismatch
from ocr_core.networks import load_network, with_probabilities
from ocr_core.runtime import RuntimeOptions, open_session
from ocr_core.runtime.export import export_bundle, export_graph
from ocr_core.runtime.proof import prove_equal, sample_batches

Picture = NDArray[np.uint8]
Batch = Callable[[list[Picture], int, int], NDArray[np.float32]]

RECOGNIZER = "ppocrv6-small-rec"
DETECTOR = "ppocrv6-small-det"
TURN = "ppocr-mobile-line-orientation"


@pytest.fixture(scope="module", params=[RECOGNIZER, DETECTOR, TURN])
def exported(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    drawn_lines: list[Picture],
    drawn_page: Picture,
) -> Bundle:
    """A built-in bundle, exported with a line or a part of a page as proof."""
    torch.set_num_threads(1)
    proof = drawn_page[:320, :500] if request.param == DETECTOR else drawn_lines[1]
    return export_bundle(request.param, tmp_path_factory.mktemp("export") / "new", [proof])


def test_an_exported_graph_answers_like_the_published_one_at_any_size(
    exported: Bundle, drawn_page: Picture, drawn_lines: list[Picture], as_batch: Batch
) -> None:
    batches = {
        RECOGNIZER: [as_batch(drawn_lines[:n], 48, w) for n, w in ((1, 37), (4, 321), (1, 1001))],
        DETECTOR: [as_batch([drawn_page] * n, h, w) for n, h, w in ((1, 64, 96), (2, 320, 256))],
        TURN: [as_batch(drawn_lines[:n], 48, 192) for n in (1, 4)],
    }
    for engine in ("openvino", "onnxruntime"):
        options = RuntimeOptions(engine=engine, precision="fp32")
        ours = open_session(exported, options)
        published = open_session(load_bundle(exported.name), options)
        for batch in batches[exported.name]:
            np.testing.assert_allclose(ours.run(batch), published.run(batch), atol=1e-4)


def test_an_exported_bundle_tells_what_it_was_made_from(exported: Bundle) -> None:
    source = load_bundle(exported.name)
    assert exported.parent == f"{source.name} {source.sha256}"
    assert source.files["model.onnx"] in exported.origin
    assert exported.charset == source.charset
    assert not exported.builtin


def test_an_exported_network_is_filled_from_its_own_weights(exported: Bundle) -> None:
    ours = load_network(exported).state_dict()
    for key, value in load_network(load_bundle(exported.name)).state_dict().items():
        assert torch.equal(ours[key], value), key


def test_an_exported_graph_holds_no_path_of_this_machine(exported: Bundle) -> None:
    content = exported.graph.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[3]).encode() not in content


def test_an_exported_bundle_can_be_imported_under_a_name_of_its_own(
    exported: Bundle, tmp_path: Path
) -> None:
    import_bundle(exported.graph.parent, tmp_path, name="mine")
    assert load_bundle("mine", [tmp_path]).sha256 == exported.sha256


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(BundleExists):
        export_bundle(TURN, tmp_path / "there")


def test_a_graph_of_other_weights_is_refused(drawn_lines: list[Picture]) -> None:
    bundle = load_bundle(TURN)
    network = load_network(bundle)
    with torch.no_grad():
        network.head.bias.add_(torch.tensor([0.01, 0.0]))
    with pytest.raises(ExportMismatch, match=r"more than the allowed 0\.0001"):
        prove_equal(with_probabilities(network), bundle, sample_batches(bundle, drawn_lines[:1]))


def test_a_network_that_answers_nonsense_is_refused() -> None:
    bundle = load_bundle(TURN)
    network = load_network(bundle)
    with torch.no_grad():
        network.head.bias.fill_(float("nan"))
    with pytest.raises(ExportMismatch, match="nan"):
        prove_equal(with_probabilities(network), bundle, sample_batches(bundle))


class Changed(nn.Module):
    """The line classifier with one probability of one line moved."""

    def __init__(self, module: nn.Module, lines: int, by: float) -> None:
        super().__init__()
        self.module, self.lines, self.by = module, lines, by

    def forward(self, lines: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.module(lines)
        return answer + self.by * (torch.arange(len(answer)) < self.lines)[:, None]


@pytest.mark.parametrize(
    ("lines", "by", "equal"), [(1, 5e-4, True), (2, 5e-4, False), (1, 5e-3, False)]
)
def test_one_steep_place_is_rounding_and_two_are_not(lines: int, by: float, equal: bool) -> None:
    # 100 places: one may be off by more than 1e-4, none by more than 20 times that
    bundle = load_bundle(TURN)
    changed = Changed(with_probabilities(load_network(bundle)), lines, by)
    batch = np.random.default_rng(0).uniform(-1, 1, (100, 3, 48, 192)).astype(np.float32)
    if equal:
        assert prove_equal(changed, bundle, [batch]) == pytest.approx(by, rel=0.1)
        return
    with pytest.raises(ExportMismatch):
        prove_equal(changed, bundle, [batch])


def test_a_tolerance_that_is_not_met_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ExportMismatch):
        export_bundle(TURN, tmp_path / "models" / "turn", tolerance=0.0)
    assert not (tmp_path / "models").exists()


def test_a_frozen_width_is_noticed(tmp_path: Path, drawn_lines: list[Picture]) -> None:
    class Frozen(nn.Module):
        def forward(self, lines: torch.Tensor) -> torch.Tensor:
            if torch.jit.is_scripting() or torch.compiler.is_exporting():
                return lines.mean(dim=(1, 2)) + torch.ones(320)  # the example's width
            return lines.mean(dim=(1, 2)) + 1

    bundle = replace(load_bundle(RECOGNIZER), graph=tmp_path / "graph.onnx")
    export_graph(Frozen(), bundle.graph, "recognizer", bundle.profile)
    with pytest.raises(ExportMismatch):
        prove_equal(Frozen(), bundle, sample_batches(bundle, drawn_lines[:1]))


def test_equality_is_not_claimed_without_images() -> None:
    bundle = load_bundle(TURN)
    with pytest.raises(ValueError, match="without images"):
        prove_equal(with_probabilities(load_network(bundle)), bundle, [])
