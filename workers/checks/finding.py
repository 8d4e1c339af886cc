"""What a check of `pagemill doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: Status
    """`warn`: pages can be read all the same."""
    message: str
    """What was found."""
    advice: str = ""
    """What to do about it; empty if all is well."""
    seconds: float = 0.0
    """Wall time of looking."""


def ok(name: str, message: str) -> Finding:
    """All is well."""
    return Finding(name=name, status="ok", message=message)


def warn(name: str, message: str, advice: str) -> Finding:
    """Something a person should know, though pages can be read."""
    return Finding(name=name, status="warn", message=message, advice=advice)


def fail(name: str, message: str, advice: str) -> Finding:
    """Pages cannot be read, or not as the settings say."""
    return Finding(name=name, status="fail", message=message, advice=advice)
