import math

import pytest
import torch

from ocr_core.recognition.loss import Targets, ace, center, ctc, focal, line_mean, steps_needed

FLAT = torch.zeros(1, 4, 3)
"""Four frames, three classes, all equally likely."""


@pytest.mark.parametrize(
    ("text", "loss", "focal_loss"),
    [
        ([1], 2.091864, 1.607238),
        ([1, 2], 1.686399, 1.119639),
        ([1, 1], 2.785011, 2.451795),
    ],
)
def test_ctc_of_flat_logits_counts_the_paths_of_a_text(
    text: list[int], loss: float, focal_loss: float
) -> None:
    # 81 paths in all; 10 of them read "1", 15 read "12", 5 read "11": -ln(10/81) and so on
    losses = ctc(FLAT, Targets.of([text]))
    assert losses.item() == pytest.approx(loss, abs=1e-6)
    assert focal(losses).item() == pytest.approx(focal_loss, abs=1e-6)


def test_the_loss_of_a_batch_is_the_mean_of_its_lines_whatever_their_lengths() -> None:
    batch = ctc(FLAT.expand(2, -1, -1), Targets.of([[1], [1, 2]]))
    assert line_mean(batch).item() == pytest.approx((2.091864 + 1.686399) / 2, abs=1e-6)


def test_equal_neighbours_need_a_frame_between_them() -> None:
    assert steps_needed([1, 2, 3]) == 3
    assert steps_needed([1, 1, 1]) == 5
    assert steps_needed([]) == 0


def test_a_line_too_long_for_its_frames_costs_nothing_and_moves_nothing() -> None:
    logits = torch.randn(2, 4, 3, requires_grad=True)
    losses = ctc(logits, Targets.of([[1, 1, 1], [2]]))
    assert math.isinf(losses[0].item())
    total = line_mean(losses)
    total.backward()
    assert total.item() == pytest.approx(losses[1].item())
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() == 0
    assert logits.grad[1].abs().sum() > 0


def test_no_line_at_all_is_zero() -> None:
    assert line_mean(torch.zeros(0)).item() == 0.0
    assert ace(torch.zeros(0, 4, 3), Targets.of([])).item() == 0.0
    empty = torch.zeros(0, 4, 3)
    assert center(empty, empty, torch.zeros(3, 3), torch.ones(3, dtype=torch.bool)).item() == 0.0


def test_a_weight_makes_a_line_count_more() -> None:
    losses = torch.tensor([1.0, 4.0])
    assert line_mean(losses, torch.tensor([3.0, 1.0])).item() == pytest.approx(7 / 4)


def test_ace_of_flat_logits_is_the_entropy_of_a_guess() -> None:
    assert ace(FLAT, Targets.of([[1, 2]])).item() == pytest.approx(math.log(3), abs=1e-6)


def test_ace_compares_counts_not_places() -> None:
    there = torch.full((1, 4, 3), -20.0)
    for frame, cls in enumerate((0, 1, 2, 0)):
        there[0, frame, cls] = 20.0
    # probabilities 1/2, 1/4, 1/4 against counts 2, 1, 1 of 4: the entropy of that distribution
    entropy = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))
    turned = ace(there.flip(1), Targets.of([[1, 2]]))
    assert ace(there, Targets.of([[1, 2]])).item() == pytest.approx(entropy, abs=1e-5)
    assert turned.item() == pytest.approx(entropy, abs=1e-5)


def test_the_distance_to_centers_is_that_of_the_best_class() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    centers = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    logits = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])  # classes 1 and 2
    every = torch.ones(3, dtype=torch.bool)
    # ((1-1)² + (0-1)² + (0-0)² + (2-1)²) / 2 frames
    assert center(features, logits, centers, every).item() == pytest.approx(1.0)
    only_first = torch.tensor([True, True, False])
    assert center(features, logits, centers, only_first).item() == pytest.approx(0.5)


def test_logits_get_no_gradient_from_the_distance_to_centers() -> None:
    features = torch.randn(1, 2, 4, requires_grad=True)
    logits = torch.randn(1, 2, 3, requires_grad=True)
    center(features, logits, torch.zeros(3, 4), torch.ones(3, dtype=torch.bool)).backward()
    assert features.grad is not None
    assert logits.grad is None
