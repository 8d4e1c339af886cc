"""What a result must reach: the usual bars, each a sentence and a check."""

from __future__ import annotations

from benchmarks.training.experiment import Bar
from benchmarks.training.figures import Summary


def mean_at_least(sentence: str, arm: str, figure: str, least: float) -> Bar:
    """The mean over seeds of a share is at least `least`."""

    def reached(summary: Summary) -> tuple[bool, str]:
        spread = summary.spread(arm, figure)
        if spread is None:
            return False, "not measured"
        return spread.mean >= least, f"{100 * spread.mean:.1f} %"

    return Bar(sentence, reached)


def gains(
    sentence: str, arm: str, against: str, figure: str, *, least: float = 0.0, seeds: float = 0.8
) -> Bar:
    """The mean difference is above `least`, and positive in that share of the seeds."""

    def reached(summary: Summary) -> tuple[bool, str]:
        pairs = summary.paired(arm, against, figure)
        if pairs is None:
            return False, "not measured"
        count = len(pairs.differences)
        well = pairs.spread.mean > least and pairs.positive >= seeds * count
        return well, f"{100 * pairs.spread.mean:+.1f} points, {pairs.positive} of {count} seeds"

    return Bar(sentence, reached)


def falls(sentence: str, arm: str, against: str, figure: str, *, share: float) -> Bar:
    """The mean of an error is lower by at least `share` of the other arm's mean."""

    def reached(summary: Summary) -> tuple[bool, str]:
        ours, theirs = summary.spread(arm, figure), summary.spread(against, figure)
        if ours is None or theirs is None or theirs.mean == 0:
            return False, "not measured"
        fallen = 1 - ours.mean / theirs.mean
        return fallen >= share, f"{-100 * fallen:+.0f} % ({theirs.mean:.3f} → {ours.mean:.3f})"

    return Bar(sentence, reached)
