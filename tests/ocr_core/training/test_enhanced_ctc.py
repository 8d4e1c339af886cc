from pathlib import Path

import pytest
import torch

from ocr_core.recognition.outputs import RecognizerOutputs
from ocr_core.training.enhanced_ctc import (
    DOC,
    YML,
    compute_centers,
    load_centers,
    random_centers,
    save_centers,
)
from ocr_core.training.errors import CentersOfAnotherCharset


def one_hot(*classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor([classes]), 3).float()


def outputs(logits: torch.Tensor, features: list[list[float]]) -> RecognizerOutputs:
    return RecognizerOutputs(torch.zeros(1), torch.tensor([features]), logits)


def test_centers_are_means_over_the_frames_of_each_class() -> None:
    right = outputs(one_hot(1, 1, 0), [[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    also_right = outputs(one_hot(0, 0, 1), [[0.0, 1.0], [0.0, 3.0], [5.0, 0.0]])
    centers = compute_centers([(right, [[1]]), (also_right, [[1]])])
    assert centers.values[1].tolist() == [3.0, 0.0]  # (1 + 3 + 5) / 3
    assert centers.values[0].tolist() == [0.0, 3.0]
    assert centers.known.tolist() == [True, True, False]


def test_lines_that_are_read_wrongly_count_for_nothing() -> None:
    wrong = outputs(one_hot(2, 2, 0), [[9.0, 9.0]] * 3)
    right = outputs(one_hot(1, 0, 0), [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    centers = compute_centers([(wrong, [[1]]), (right, [[1]])])
    assert centers.known.tolist() == [True, True, False]
    assert centers.values[1].tolist() == [1.0, 1.0]


def test_centers_need_lines() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        compute_centers([])


def test_saved_centers_are_those_of_their_charset_only(tmp_path: Path) -> None:
    centers = random_centers(3, 2, seed=1)
    save_centers(centers, ("a", "b"), tmp_path / "centers.safetensors")
    loaded = load_centers(tmp_path / "centers.safetensors", ("a", "b"))
    assert torch.equal(loaded.values, centers.values)
    assert loaded.known.all()
    with pytest.raises(CentersOfAnotherCharset):
        load_centers(tmp_path / "centers.safetensors", ("b", "a"))


def test_the_published_weights_are_presets() -> None:
    assert (YML.weight, DOC.weight) == (0.05, 0.25)
