"""Faults of the machine or its services, which are no fault of any page."""

from __future__ import annotations


class EnvironmentFault(Exception):
    """Something that every page needs is missing or broken."""

    code = "environment_fault"
    advice = "Run `pagemill doctor`."
    lasting = False
    """Whether waiting cannot cure it: a missing model, not a full disk."""

    def __init__(self, code: str, message: str, advice: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.code, self.advice, self.lasting = code, advice, lasting
