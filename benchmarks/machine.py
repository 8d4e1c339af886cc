"""The machine that the figures were measured on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe() -> str:
    """Processor, cores and what decides the precision of OpenVINO."""
    facts = _cpuinfo()
    flags = facts.get("flags", "").split()
    fast = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
    model = facts.get("model name", platform.processor() or platform.machine())
    return f"{model}, {os.cpu_count()} cores, {' '.join(fast) or 'no bf16 instructions'}"


def _cpuinfo() -> dict[str, str]:
    """The facts of the first core, where the system tells them."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    pairs = (line.partition(":") for line in path.read_text().split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
