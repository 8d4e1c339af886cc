"""`pagemill doctor`: every check, one after the other; none of them can stop the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from workers.checks import engines, places, reading
from workers.checks.finding import Finding, fail
from workers.settings import Settings

Check = Callable[[Settings], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "python": engines.python,
    "database": places.database,
    "cache": places.cache,
    "broker": places.broker,
    "bucket": places.bucket,
    "models": engines.models,
    "device": engines.device,
    "sandbox": reading.sandbox,
    "engines": reading.engines,
    "job": reading.job,
}


def examine(settings: Settings) -> Iterator[Finding]:
    """Run the checks and give what they find as they find it."""
    for name, check in CHECKS.items():
        begun = time.perf_counter()
        for finding in _guarded(name, check, settings):
            yield replace(finding, seconds=time.perf_counter() - begun)
            begun = time.perf_counter()


def _guarded(name: str, check: Check, settings: Settings) -> Iterator[Finding]:
    """What a check finds; if it cannot even look, that is what it found."""
    try:
        yield from check(settings)
    except Exception as error:  # the border of a check: whatever is broken, the others still look
        advice = getattr(error, "advice", "") or "The message says what is wrong."
        kind = "" if hasattr(error, "advice") else f"{type(error).__name__}: "
        yield fail(name, f"{kind}{error}", advice)
