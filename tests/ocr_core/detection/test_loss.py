"""The loss of differentiable binarization, against sums done by hand (PP-OCR reference, B)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ocr_core.detection.differentiable import Maps
from ocr_core.detection.loss import (
    PAPER,
    SHIPPED,
    DetectionLoss,
    Target,
    balanced_cross_entropy,
    dice,
    masked_l1,
)

SIZE = (2, 8, 8)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).float().view(1, 1, -1)


def logit(*probabilities: float) -> Tensor:
    return torch.logit(row(*probabilities))


def target(text: float = 0.0, mask: float = 1.0, border: float = 0.0) -> Target:
    text_map, threshold = torch.full(SIZE, text), torch.full(SIZE, 0.3)
    return Target(text_map, torch.full(SIZE, mask), threshold, torch.full(SIZE, border))


def random_maps() -> Maps:
    torch.manual_seed(0)
    return Maps(torch.randn(SIZE, requires_grad=True), torch.randn(SIZE, requires_grad=True))


def test_dice_of_the_worked_example() -> None:
    # 1 - 2 · 1.7 / (2.0 + 2); without the last pixel 1 - 2 · 1.7 / (1.9 + 2)
    prediction, truth = row(0.9, 0.8, 0.2, 0.1), row(1, 1, 0, 0)
    assert dice(prediction, truth, row(1, 1, 1, 1)).item() == pytest.approx(0.15, abs=1e-6)
    assert dice(prediction, truth, row(1, 1, 1, 0)).item() == pytest.approx(0.128205, abs=1e-6)


def test_balanced_cross_entropy_takes_all_text_and_the_hardest_ground() -> None:
    # two pixels of text, so six of the eight others: .5 .4 .3 .2 .1 .05
    logits = logit(0.9, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
    truth = row(1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    everywhere = torch.ones_like(truth)
    mined = balanced_cross_entropy(logits, truth, everywhere)
    assert mined.item() == pytest.approx(0.319579, abs=1e-5)
    all_of_it = balanced_cross_entropy(logits, truth, everywhere, negatives=100)
    assert all_of_it.item() == pytest.approx(0.258688, abs=1e-5)


def test_cross_entropy_without_ground_is_the_mean_over_text() -> None:
    # -(ln .9 + ln .6) / 2
    value = balanced_cross_entropy(logit(0.9, 0.6), row(1, 1), row(1, 1))
    assert value.item() == pytest.approx(0.308093, abs=1e-5)


def test_pictures_without_text_still_teach_that_there_is_none() -> None:
    logits = torch.zeros(1, 64, 64, requires_grad=True)
    nothing = torch.zeros(1, 64, 64)
    balanced_cross_entropy(logits, nothing, nothing + 1).backward()
    assert logits.grad is not None
    assert logits.grad.sum() > 0  # a step along -grad lowers the logits


def test_masked_pixels_do_not_matter() -> None:
    mask, truth = row(1, 1, 1, 0), row(1, 0, 0, 0)
    one, other = row(0.9, 0.2, 0.1, 0.99), row(0.9, 0.2, 0.1, 0.01)
    for term in (dice, masked_l1):
        assert torch.equal(term(one, truth, mask), term(other, truth, mask))
    ours, theirs = torch.logit(one), torch.logit(other)
    assert torch.equal(
        balanced_cross_entropy(ours, truth, mask), balanced_cross_entropy(theirs, truth, mask)
    )


def test_masked_l1_is_the_mean_over_valid_pixels() -> None:
    # (|.5 - .3| + |.7 - .3|) / 2
    assert masked_l1(row(0.5, 0.7, 0.9), row(0.3, 0.3, 0.3), row(1, 1, 0)).item() == pytest.approx(
        0.3, abs=1e-6
    )


@pytest.mark.parametrize("loss", [SHIPPED, PAPER], ids=["dice", "bce_ohem"])
def test_the_terms_have_the_weights_of_their_source(loss: DetectionLoss) -> None:
    maps, truth = random_maps(), target(text=1.0, border=1.0)
    terms = loss(maps, truth)
    assert torch.isclose(terms.binary, loss.binary_weight * dice(maps.binary, *truth[:2]))
    assert torch.isclose(terms.threshold, 10 * masked_l1(maps.limit, truth.threshold, truth.border))
    weights = {"dice": (5.0, 1.0), "bce_ohem": (1.0, 5.0)}
    assert (loss.text_weight, loss.binary_weight) == weights[loss.text]
    assert torch.isclose(terms.total, torch.stack(list(terms)).sum())


@pytest.mark.parametrize("loss", [SHIPPED, PAPER], ids=["dice", "bce_ohem"])
@pytest.mark.parametrize("truth", [target(), target(mask=0.0), target(text=1.0)])
def test_a_batch_with_nothing_to_compare_is_finite(loss: DetectionLoss, truth: Target) -> None:
    maps = random_maps()
    total = loss(maps, truth).total
    total.backward()
    assert torch.isfinite(total)
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in maps)


@pytest.mark.parametrize("loss", [SHIPPED, PAPER], ids=["dice", "bce_ohem"])
def test_a_batch_whose_every_region_is_ignored_says_nothing(loss: DetectionLoss) -> None:
    assert loss(random_maps(), target(mask=0.0)).total.item() == 0.0


@pytest.mark.parametrize("loss", [SHIPPED, PAPER], ids=["dice", "bce_ohem"])
def test_following_the_loss_finds_the_text(loss: DetectionLoss) -> None:
    text = torch.zeros(SIZE)
    text[:, 2:5, 1:7] = 1
    truth = Target(text, torch.ones(SIZE), torch.full(SIZE, 0.3), torch.ones(SIZE))
    maps = Maps(
        torch.full(SIZE, -2.0, requires_grad=True), torch.full(SIZE, -2.0, requires_grad=True)
    )
    optimizer = torch.optim.Adam(maps, lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        loss(maps, truth).total.backward()
        optimizer.step()
    assert torch.equal((maps.binary > 0.5).float(), text)


def test_an_unknown_text_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="dice or bce_ohem"):
        DetectionLoss(text="focal")  # type: ignore[arg-type]
