import numpy as np
import pytest
import torch

from ocr_core.training.soft_labels import FrameLabels, aligned, divergence, likeliest, stack

TEACHER = np.array(
    [
        [0.90, 0.05, 0.05, 0.00],  # blank, a, b, c
        [0.10, 0.80, 0.05, 0.05],
        [0.20, 0.10, 0.10, 0.60],
    ],
    np.float32,
)


def test_a_student_without_a_character_gets_the_rest_and_a_lower_weight() -> None:
    # the student writes b and a, in this order; c is unknown to it
    frames = likeliest(TEACHER, np.array([0, 2, 1]), most=3)
    assert frames.ids[1].tolist() == [0, 2, 1] or frames.ids[1][0] == 2
    assert frames.ids[1][0] == 2
    assert frames.probabilities[1][0] == pytest.approx(0.8 / 0.95)
    assert frames.probabilities.sum(axis=1) == pytest.approx([1, 1, 1])
    assert frames.weights == pytest.approx([1.0, 0.95, 0.4])


def test_only_the_likeliest_classes_are_kept() -> None:
    frames = likeliest(TEACHER, np.arange(4), most=1)
    assert frames.ids[:, 0].tolist() == [0, 1, 3]
    assert frames.probabilities[:, 0] == pytest.approx([1, 1, 1])
    assert frames.weights == pytest.approx([0.9, 0.8, 0.6])


def test_a_class_the_teacher_does_not_have_is_never_likely() -> None:
    frames = likeliest(TEACHER, np.array([0, -1, 1]), most=3)
    assert not (frames.ids[frames.probabilities > 0] == 1).any()


def test_a_student_with_more_frames_sees_each_of_the_teachers() -> None:
    blank = np.array([1.0, 0.0, 1.0], np.float32)
    assert aligned(blank, 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert aligned(blank, 3).tolist() == [0, 1, 2]
    assert set(aligned(blank, 5).tolist()) == {0, 1, 2}


def test_a_student_with_fewer_frames_loses_no_character() -> None:
    blank = np.array([0.9, 0.1, 0.2, 0.95, 0.9, 0.0], np.float32)
    assert aligned(blank, 3).tolist() == [1, 2, 5]


def test_padding_is_blank_and_certain() -> None:
    line = FrameLabels(
        np.array([[2, 0]], np.int32), np.array([[0.7, 0.3]], np.float32), np.ones(1, np.float32)
    )
    soft = stack([4], [line], [2], 4)
    assert soft.rows.tolist() == [4]
    assert soft.ids[0, :, 0].tolist() == [2, 2, 0, 0]
    assert soft.probabilities[0, 2:, 0].tolist() == [1, 1]


def test_the_divergence_is_zero_for_a_student_that_agrees_and_else_not() -> None:
    line = likeliest(TEACHER, np.arange(4), most=4)
    soft = stack([1], [line], [3], 3)
    logits = torch.zeros(2, 3, 4)
    logits[1] = torch.from_numpy(TEACHER).clamp(min=1e-9).log()
    assert divergence(logits, soft).item() == pytest.approx(0.0, abs=2e-2)
    # KL against a student that knows nothing: ln 4 less the entropy of each frame
    entropy = -(TEACHER * np.log(np.maximum(TEACHER, 1e-9))).sum(axis=1)
    wanted = float(((np.log(4) - entropy) * line.weights).sum())
    assert divergence(torch.zeros(2, 3, 4), soft).item() == pytest.approx(wanted, rel=1e-3)


def test_a_frame_the_student_cannot_write_is_not_held_against_it() -> None:
    unknown = FrameLabels(
        np.array([[1, 0]], np.int32), np.array([[1, 0]], np.float32), np.zeros(1, np.float32)
    )
    assert divergence(torch.randn(1, 1, 3), stack([0], [unknown], [1], 1)).item() == 0.0
