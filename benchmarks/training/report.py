"""The tables of an experiment's result, as docs/training.md shows them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.record import Result
from benchmarks.tables import markdown, number
from benchmarks.training.experiment import Comparison, Experiment
from benchmarks.training.figures import Spread, Summary


def tables(experiment: Experiment, result: Result) -> dict[str, str]:
    """Every table by the name of its place: NAME-arms, NAME-paired, NAME-bars, and its own."""
    summary = Summary(result)
    own = {place: table(result) for place, table in experiment.tables.items()}
    parts = {f"{experiment.name}-arms": _arm_table(experiment, summary)}
    if experiment.comparisons:
        parts[f"{experiment.name}-paired"] = _paired_table(experiment, summary)
    if experiment.bars:
        parts[f"{experiment.name}-bars"] = _bar_table(experiment, summary)
    return {**parts, **own}


def note(result: Result) -> str:
    """When, where, with which seeds and settings, and how long it took."""
    seconds = sum(trial["cpu_seconds"] for trial in result["trials"])
    seeds = ", ".join(map(str, result["seeds"]))
    settings = "; ".join(f"{name}: {value}" for name, value in result["settings"].items())
    measured = (
        f"Measured {result['measured_at'][:10]} on {result['machine']}, one thread a process; "
        f"seeds {seeds}; {seconds / 60:.0f} CPU minutes. Command: `{result['command']}`."
    )
    return f"{measured}\n\nSettings: {settings}." if settings else measured


def _arm_table(experiment: Experiment, summary: Summary) -> str:
    figures = experiment.figures
    header = ["arm", "seeds", *figures, f"{figures[0]} by seed", "CPU s a run"]
    rows = []
    for arm in experiment.arms:
        values = list(summary.values(arm.name, figures[0]).values())
        if not values:
            continue
        spreads = [_spread(summary.spread(arm.name, f), experiment.percent) for f in figures]
        each = " ".join(_value(value, experiment.percent) for value in values)
        cost = _spread(summary.seconds(arm.name), percent=False, digits=0)
        rows.append([arm.title, str(len(values)), *spreads, each, cost])
    return markdown(header, rows)


def _paired_table(experiment: Experiment, summary: Summary) -> str:
    titles = {arm.name: arm.title for arm in experiment.arms}
    rows = []
    for comparison in experiment.comparisons:
        cells = _paired_cells(experiment, summary, comparison)
        arms = f"{titles[comparison.arm]} – {titles[comparison.against]}"
        rows.append([arms, comparison.figure, *cells])
    header = ["difference", "figure", "mean ± sd", "95 % interval", "better", "by seed"]
    return markdown(header, rows)


def _paired_cells(experiment: Experiment, summary: Summary, asked: Comparison) -> Iterator[str]:
    pairs = summary.paired(asked.arm, asked.against, asked.figure)
    if pairs is None:
        yield from ["–"] * 4
        return
    count = len(pairs.differences)
    lower = asked.figure in experiment.lower_is_better
    better = sum(d < 0 for d in pairs.differences) if lower else pairs.positive
    percent = experiment.percent
    yield _spread(pairs.spread, percent, signed=True)
    yield f"{_value(pairs.low, percent, signed=True)} … {_value(pairs.high, percent, signed=True)}"
    yield f"{better} of {count}"
    yield " ".join(_value(value, percent, signed=True) for value in pairs.differences)


def _bar_table(experiment: Experiment, summary: Summary) -> str:
    rows = []
    for bar in experiment.bars:
        reached, figures = bar.reached(summary)
        rows.append([bar.sentence, figures, "reached" if reached else "**not reached**"])
    return markdown(["bar", "measured", ""], rows)


def _spread(
    spread: Spread | None, percent: bool, *, signed: bool = False, digits: int | None = None
) -> str:
    if spread is None:
        return "–"
    mean = _value(spread.mean, percent, signed=signed, digits=digits)
    if spread.deviation is None:
        return mean
    return f"{mean} ± {_value(spread.deviation, percent, digits=digits)}"


def _value(value: float, percent: bool, *, signed: bool = False, digits: int | None = None) -> str:
    """A share in percent to a tenth, or a plain number to a thousandth."""
    shown = 100 * value if percent else value
    places = digits if digits is not None else (1 if percent else 3)
    return f"{shown:+.{places}f}" if signed else number(shown, places)
