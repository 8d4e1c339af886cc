"""Which number format a network may be run in on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from ocr_core.errors import EngineUnsupported

Precision = Literal["fp32", "bf16"]

_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bfloat16 natively; False where the system does not say."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = re.search(r"^flags\s*:(.*)$", text, flags=re.MULTILINE)
    return flags is not None and not _CPU_FLAGS.isdisjoint(flags[1].split())


def choose_precision(asked: str, *, bf16: bool, engine: str) -> Precision:
    """`auto` is bf16 where it is native, else fp32; an explicit wish is met or refused."""
    match asked:
        case "auto":
            return "bf16" if bf16 else "fp32"
        case "fp32":
            return "fp32"
        case "bf16" if bf16:
            return "bf16"
    raise EngineUnsupported(f"{engine} has no {asked} on this device")
