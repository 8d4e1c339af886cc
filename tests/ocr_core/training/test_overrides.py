"""A recipe's numbers are changed by name, and only to what they can be."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Literal

import pytest

from ocr_core.training.errors import SettingRefused
from ocr_core.training.options import LoopOptions
from ocr_core.training.overrides import setting_names, setting_value, with_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    share: float = 0.5
    sizes: tuple[int, ...] = (3, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    students: int = 1
    style: Literal["paper", "shipped"] = "paper"
    noise: Noise | None = field(default_factory=Noise)
    again: Noise = field(default_factory=Noise)
    loop: LoopOptions = field(default_factory=lambda: LoopOptions(steps=10))


def test_a_number_is_set_by_its_path_or_by_its_name_alone() -> None:
    changed = with_settings(
        Recipe(), ["loop.lr=1e-4", "steps=7", "clip=none", "style=shipped", "noise.sizes=[1, 2]"]
    )
    assert (changed.loop.lr, changed.loop.steps, changed.loop.clip) == (1e-4, 7, None)
    assert changed.style == "shipped"
    assert changed.noise is not None
    assert changed.noise.sizes == (1, 2)
    assert changed.again == Noise()
    assert Recipe() == with_settings(Recipe(), [])


def test_the_last_of_two_settings_wins() -> None:
    assert with_settings(Recipe(), ["steps=3", "steps=4"]).loop.steps == 4


def test_a_part_can_be_left_out() -> None:
    assert with_settings(Recipe(), ["noise=none"]).noise is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps", "not name=value"),
        ("loop.rl=1", "did you mean loop.lr"),
        ("share=0.1", "noise.share, again.share"),
        ("students=many", "students=many"),
        ("students=1.5", "students=1.5"),
        ("style=mine", "'paper' or 'shipped'"),
        ("again=none", "again=none"),
        ("noise=3", "noise has parts"),
        ("steps=0", "at least 1"),
        ("noise.share.more=1", "no noise.share.more"),
    ],
)
def test_what_cannot_be_is_refused_by_name(setting: str, message: str) -> None:
    with pytest.raises(SettingRefused, match=message):
        with_settings(Recipe(), [setting])


def test_everything_that_can_be_set_has_a_path() -> None:
    names = list(setting_names(Recipe()))
    assert names[:4] == ["students", "style", "noise.share", "noise.sizes"]
    assert "loop.warmup_share" in names


def test_not_a_number_is_no_learning_rate() -> None:
    with pytest.raises(SettingRefused):
        with_settings(Recipe(), ["lr=NaN"])
    assert math.isfinite(Recipe().loop.lr)


@pytest.mark.parametrize("kind", ["detector", "recognizer"])
def test_every_number_of_every_recipe_can_be_set_to_what_it_is(kind: str) -> None:
    from ocr_core.training.detector_recipes import DETECTOR_RECIPES
    from ocr_core.training.recognizer_recipes import RECOGNIZER_RECIPES

    recipes: dict[str, object] = {
        "detector": DETECTOR_RECIPES["ppocrv2-det-cml-copypaste"],
        "recognizer": RECOGNIZER_RECIPES["ppocrv2-rec-udml-enhanced-ctc"],
    }
    recipe = recipes[kind]
    for name in setting_names(recipe):
        written = json.dumps(setting_value(recipe, name))
        assert with_settings(recipe, [f"{name}={written}"]) == recipe, name
