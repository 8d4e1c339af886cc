"""Students, teacher and what passes between them (PP-OCR reference, sections 4.2 and B)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from ocr_core.detection.differentiable import Maps
from ocr_core.detection.loss import PAPER, SHIPPED, dice
from ocr_core.training.cml import (
    CML,
    LABELS_ONLY,
    Collaboration,
    dilate,
    distillation,
    mutual,
    teacher_text,
)


def random_map(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 9, 11, generator=generator)


def test_mutual_of_one_pixel() -> None:
    # ½ (.6 ln(.6 / .8) + .8 ln(.8 / .6)) = ½ · .2 · ln(4 / 3)
    value = mutual(torch.full((1, 1, 1), 0.8), torch.full((1, 1, 1), 0.6))
    assert value.item() == pytest.approx(0.0287748, abs=2e-5)


def test_equal_students_have_nothing_to_tell_each_other() -> None:
    assert mutual(random_map(0), random_map(0)).item() == pytest.approx(0, abs=2e-5)


def test_mutual_is_symmetric_and_positive() -> None:
    first, second = random_map(0), random_map(1)
    assert torch.isclose(mutual(first, second), mutual(second, first), atol=1e-7)
    assert mutual(first, second) > 0


def test_mutual_teaches_both_students() -> None:
    first = random_map(0).requires_grad_()
    second = random_map(1).requires_grad_()
    mutual(first, second).backward()
    assert first.grad is not None
    assert second.grad is not None
    assert torch.allclose(first.grad.sign(), (first - second).sign())  # towards each other
    assert torch.allclose(second.grad.sign(), (second - first).sign())


def test_dilation_grows_to_the_right_and_downward() -> None:
    text = torch.zeros(1, 5, 5)
    text[0, 2, 2] = 1
    assert dilate(text)[0].nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_dilation_is_that_of_opencv(side: int) -> None:
    text = (random_map(3) > 0.8).float()
    expected = [cv2.dilate(one, np.ones((side, side), np.uint8)) for one in text.numpy()]
    assert np.array_equal(dilate(text, side).numpy(), np.stack(expected))


def test_the_teacher_answers_yes_or_no() -> None:
    probability = torch.tensor([[[0.31, 0.1, 0.1], [0.1, 0.1, 0.29]]])
    assert teacher_text(probability).tolist() == [[[1, 1, 0], [1, 1, 0]]]
    assert teacher_text(probability, dilation=1).tolist() == [[[1, 0, 0], [0, 0, 0]]]


def test_distillation_is_text_and_binary_map_against_the_teacher() -> None:
    maps, text = Maps(torch.randn(2, 9, 11), torch.randn(2, 9, 11)), random_map(4).round()
    mask = torch.ones_like(text)
    expected = 5 * dice(maps.probability, text, mask) + dice(maps.binary, text, mask)
    assert torch.isclose(distillation(maps, text, mask, SHIPPED), expected)
    assert torch.isfinite(distillation(maps, text, mask, PAPER))


def test_terms_begin_when_they_are_told_to() -> None:
    late = Collaboration(mutual=2.0, mutual_start=0.25, distill_start=0.5)
    assert [late.mutual_at(share) for share in (0.0, 0.24, 0.25, 0.9)] == [0, 0, 2, 2]
    assert [late.distill_at(share) for share in (0.0, 0.49, 0.5)] == [0, 0, 1]
    assert (CML.mutual_at(0), CML.distill_at(0)) == (1, 1)
    assert (LABELS_ONLY.mutual_at(0.9), LABELS_ONLY.distill_at(0.9)) == (0, 0)
