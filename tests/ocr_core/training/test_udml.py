import pytest
import torch

from ocr_core.training.udml import Mutual, dml, feature_distance

A = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
B = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]])


def test_dml_is_the_mean_of_both_directions_summed_over_frames() -> None:
    # directions 1.251556 and 1.582657 (PP-OCR reference, section B)
    assert dml(A, B).item() == pytest.approx(1.417106, abs=1e-5)
    assert dml(A.repeat(2, 1, 1), B.repeat(2, 1, 1)).item() == pytest.approx(1.417106, abs=1e-5)
    assert dml(A, B, scale="frame").item() == pytest.approx(1.417106 / 2, abs=1e-5)


def test_dml_is_symmetric_and_zero_for_equal_students() -> None:
    assert dml(A, B).item() == pytest.approx(dml(B, A).item())
    assert dml(A, A).item() == 0.0


def test_dml_of_students_that_are_utterly_sure_is_finite() -> None:
    sure = torch.full((1, 2, 3), -1e4)
    sure[..., 0] = 1e4
    other = sure.flip(2).clone().requires_grad_()
    loss = dml(sure, other)
    loss.backward()
    assert torch.isfinite(loss)
    assert other.grad is not None
    assert torch.isfinite(other.grad).all()


def test_dml_and_feature_distance_move_both_students() -> None:
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    (dml(a, b) + feature_distance(a, b)).backward()
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad.abs().sum() > 0
    assert b.grad.abs().sum() > 0


def test_features_are_compared_by_the_mean_over_all_elements() -> None:
    assert feature_distance(torch.zeros(2, 3), torch.full((2, 3), 2.0)).item() == 4.0


def test_students_begin_to_look_at_each_other_at_a_quarter_of_the_schedule() -> None:
    mutual = Mutual()
    assert mutual.strength(0.24) == 0.0
    assert mutual.strength(0.25) == 1.0
    assert Mutual(start=0.2, ramp=0.2).strength(0.3) == pytest.approx(0.5)
