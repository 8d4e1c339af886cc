"""What kombu and Celery raise on a message that makes no sense."""

from __future__ import annotations

UNDECODABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RecursionError,
)
"""Never OSError or a database's errors: those mean that the broker is away."""
MAX_READS = 5
"""A message that was handed out so often without an end is put aside: it may kill its readers."""
