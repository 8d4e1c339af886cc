"""How far a run is, in lines and as a bar; always on stderr, never in the way of the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from ocr_core.training.devices import Device  # noqa: E402
from ocr_core.training.hooks import Checkpoints  # noqa: E402
from ocr_core.training.loop import LoopOptions, train  # noqa: E402
from ocr_core.training.task import Terms  # noqa: E402
from workers.commands import counted, training_progress  # noqa: E402
from workers.commands.training_progress import BarHook, LineHook, progress_hooks  # noqa: E402

OPTIONS = LoopOptions(steps=6, evaluate_every=3)


class Number:
    """Learns one number; its third batch is none."""

    figure = "closeness"
    frozen: Sequence[object] = ()

    def __init__(self) -> None:
        self.module = torch.nn.Linear(1, 1)

    def batch(self, number: int) -> object:
        return torch.full((1, 1), float("nan") if number == 2 else 1.0)

    def loss(self, batch: object, progress: float) -> Terms:
        square = (self.module(batch) - 1).square().mean()
        return Terms(square, {"square": square.detach()})

    def evaluate(self, module: object) -> dict[str, float]:
        return {"closeness": 0.25}

    def deployable(self, module: object) -> object:
        return module


@pytest.fixture
def _always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(counted, "LINE_SECONDS", 0.0)


@pytest.mark.usefixtures("_always_due")
def test_lines_tell_the_loss_the_figures_and_what_was_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Device.of("cpu")
    train(Number(), OPTIONS, where, [LineHook(), Checkpoints(tmp_path)])
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("step 1 of 6, loss ")
    assert lines[0].endswith(" left")
    assert lines[2] == "step 3: closeness 0.2500"
    assert ", skipped 1, " in lines[3]
    train(Number(), OPTIONS, where, [LineHook(), Checkpoints(tmp_path)], resume=tmp_path)
    assert capsys.readouterr().err == "going on after step 6 of 6\n"


def test_a_bar_leaves_the_figures_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    train(Number(), replace(OPTIONS, steps=4), Device.of("cpu"), [BarHook()])
    out, err = capsys.readouterr()
    assert out == ""
    assert "step 3: closeness 0.2500" in err
    assert "4/4" in err


def test_quiet_is_quiet_and_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_hooks(quiet=True) == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(progress_hooks(quiet=False)[0], BarHook)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert isinstance(progress_hooks(quiet=False)[0], LineHook)


@pytest.mark.usefixtures("_always_due")
@pytest.mark.parametrize("terminal", [True, False])
def test_things_that_are_counted_pass_unchanged(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert list(counted.counted("abc", 3, "letters", quiet=False)) == ["a", "b", "c"]
    assert ("3 of 3 letters" in capsys.readouterr().err) != terminal
    assert list(counted.counted("abc", 3, "letters", quiet=True)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
