from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks.training import report, trials
from benchmarks.training.bars import falls, gains, mean_at_least
from benchmarks.training.document import write_tables
from benchmarks.training.experiment import Arm, Comparison, Experiment, Outcome, Trial
from benchmarks.training.figures import Spread, Summary, paired


def _result(**values: list[float]) -> dict[str, object]:
    """Trials of arms with the accuracies of seeds 1, 2, …, ten CPU seconds each."""
    return {
        "trials": [
            {"arm": arm, "seed": seed, "cpu_seconds": 10.0, "figures": {"accuracy": value}}
            for arm, series in values.items()
            for seed, value in enumerate(series, start=1)
        ]
    }


def test_spread_is_the_sample_deviation_and_one_value_has_none() -> None:
    # 2, 4, 6: mean 4, variance (4 + 0 + 4) / (3 - 1) = 4
    assert Spread.of([2.0, 4.0, 6.0]) == Spread(3, 4.0, 2.0)
    assert Spread.of([0.5]) == Spread(1, 0.5, None)


def test_pairs_cancel_what_a_seed_does_to_both_arms() -> None:
    # seeds differ by tenths, the arms by a hundredth: only the pairs show it
    pairs = paired([0.51, 0.61, 0.91], [0.50, 0.60, 0.90])
    assert pairs.spread.mean == pytest.approx(0.01)
    assert pairs.positive == 3
    assert pairs.low == pytest.approx(0.01)
    assert pairs.high == pytest.approx(0.01)


def test_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    ours, theirs = [0.5, 0.7, 0.6, 0.4], [0.4, 0.7, 0.3, 0.5]
    first, again = paired(ours, theirs), paired(ours, theirs)
    assert first == again
    assert first.low < first.spread.mean < first.high


def test_seeds_that_one_arm_lacks_are_left_out_of_the_pairs() -> None:
    summary = Summary(_result(plain=[0.5, 0.6, 0.7], tricks=[0.6, 0.8]))
    pairs = summary.paired("tricks", "plain", "accuracy")
    assert pairs is not None
    assert pairs.differences == pytest.approx((0.1, 0.2))
    assert summary.paired("tricks", "unknown", "accuracy") is None


def test_bars_say_what_was_reached() -> None:
    summary = Summary(_result(plain=[0.8, 0.8], tricks=[0.9, 0.7], errors=[0.4, 0.4]))
    assert mean_at_least("", "plain", "accuracy", 0.8).reached(summary) == (True, "80.0 %")
    # mean +0, one seed of two better: not four in five
    assert not gains("", "tricks", "plain", "accuracy").reached(summary)[0]
    assert falls("", "errors", "plain", "accuracy", share=0.5).reached(summary)[0]
    assert not falls("", "errors", "plain", "accuracy", share=0.51).reached(summary)[0]


def test_an_experiment_compares_only_its_own_arms() -> None:
    with pytest.raises(ValueError, match="it has not"):
        _experiment(Comparison("tricks", "missing", "accuracy"))


def test_tables_show_points_and_every_seed() -> None:
    chosen = _experiment(Comparison("tricks", "plain", "accuracy"))
    shown = report.tables(chosen, _result(plain=[0.5, 0.6], tricks=[0.6, 0.8]))
    assert set(shown) == {"fake-arms", "fake-paired"}
    assert "| Plain | 2 | 55.0 ± 7.1 | 50.0 60.0 | 10 ± 0 |" in shown["fake-arms"]
    assert "+15.0 ± 7.1" in shown["fake-paired"]
    assert "2 of 2 | +10.0 +20.0 |" in shown["fake-paired"]


def test_the_note_names_seeds_settings_and_cost() -> None:
    about = {"measured_at": "2025-05-31T10:00", "machine": "two cores", "seeds": [1, 2]}
    kept = {**_result(plain=[0.5, 0.6]), **about, "command": "run it", "settings": {"steps": 9}}
    # two trials of ten CPU seconds are a third of a minute
    assert report.note(kept) == (
        "Measured 2025-05-31 on two cores, one thread a process; seeds 1, 2; 0 CPU minutes. "
        "Command: `run it`.\n\nSettings: steps: 9."
    )


def test_an_experiment_without_a_section_gets_one_and_keeps_it(tmp_path: Path) -> None:
    document = tmp_path / "training.md"
    document.write_text("# Training\n\n<!-- /experiments -->\n\n## Speed\n")
    write_tables(document, "Fakes", {"fake-note": "Measured.", "fake-arms": "| 1 |"})
    write_tables(document, "Fakes", {"fake-note": "Again.", "fake-arms": "| 2 |", "fake-bars": "b"})
    assert document.read_text() == (
        "# Training\n\n### Fakes\n"
        "\n<!-- fake-note -->\nAgain.\n<!-- /fake-note -->\n"
        "\n<!-- fake-arms -->\n| 2 |\n<!-- /fake-arms -->\n"
        "\n<!-- fake-bars -->\nb\n<!-- /fake-bars -->\n"
        "\n<!-- /experiments -->\n\n## Speed\n"
    )


def test_a_trial_is_run_once_and_a_later_arm_finds_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "experiment", lambda name: _experiment())
    first = trials.run_seed("fake", 3, tmp_path, None, False)
    assert [row["figures"] for row in first] == [{"accuracy": 0.3}, {"accuracy": 0.6}]
    assert trials.run_seed("fake", 3, tmp_path, None, False) == first
    assert (tmp_path / "calls").read_text() == "plain tricks "
    trials.run_seed("fake", 3, tmp_path, None, True)
    assert (tmp_path / "calls").read_text() == "plain tricks plain tricks "


def _experiment(*comparisons: Comparison) -> Experiment:
    return Experiment(
        name="fake",
        title="A fake",
        arms=(
            Arm("plain", "Plain", partial(_train, start=None)),
            Arm("tricks", "Tricks", partial(_train, start="plain")),
        ),
        seeds=(1, 2),
        figures=("accuracy",),
        comparisons=comparisons,
    )


def _train(trial: Trial, start: str | None) -> Outcome:
    """Accuracy 0.1 a seed; from the checkpoint of another arm twice its accuracy."""
    accuracy = 0.1 * trial.seed
    if start:
        accuracy = 2 * float((trial.beside(start) / "checkpoint").read_text())
    (trial.folder / "checkpoint").write_text(str(accuracy))
    with (trial.folder.parents[2] / "calls").open("a") as calls:
        calls.write(f"{trial.arm} ")
    return Outcome({"accuracy": round(accuracy, 3)})
