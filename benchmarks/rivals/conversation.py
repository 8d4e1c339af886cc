"""The conversation between a benchmark and a reader process, on the reader's side.

A reader is a program in an environment of its own. It says once what it is, then answers one
request at a time, JSON lines on standard input and output:

    request  {"path": image file, "language": ISO 639 code, "words": whether word boxes are wanted}
    answer   {"regions": [{"polygon", "text", "score"}], "words": the same or null, "cpu": seconds}
    failure  {"error": message, "cpu": seconds}

`cpu` is the processor time of the process and of the children it waited for, decoding included.
Only the standard library is used here: the file runs in every rival's environment.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]


def cpu_seconds() -> float:
    """User and system time of this process and of its finished children."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def serve(hello: dict[str, Any], read: Callable[[Any], Answer]) -> None:
    """Answer requests until standard input ends; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(read, json.loads(line))), file=answers, flush=True)


def _answer(read: Callable[[Any], Answer], request: Any) -> Answer:
    before = cpu_seconds()
    try:
        answer = read(request)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    return {**answer, "cpu": cpu_seconds() - before}


def region(polygon: Any, text: str, score: float) -> dict[str, Any]:
    """A region as the scorer wants it; coordinates to a tenth of a pixel."""
    points = [[round(float(x), 1), round(float(y), 1)] for x, y in polygon]
    return {"polygon": points, "text": text, "score": round(float(score), 4)}
