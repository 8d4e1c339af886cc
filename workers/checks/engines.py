"""Checks of what reads the pages: Python, the models, the device."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec

from ocr_core.bundle import load_bundle
from ocr_core.runtime.precision import cpu_has_bf16
from workers.checks.finding import Finding, fail, ok
from workers.settings import Settings


def python(settings: Settings) -> Iterator[Finding]:
    """Say what runs this."""
    cores = len(os.sched_getaffinity(0))
    yield ok(
        "python",
        f"Pagemill {metadata.version('pagemill')}, Python {platform.python_version()},"
        f" {platform.system()} {platform.machine()}, {cores} cores for {settings.jobs} jobs",
    )


def models(settings: Settings) -> Iterator[Finding]:
    """Find the three models that are set, and compare the SHA-256 of their files."""
    for name in (settings.detector, settings.recognizer, settings.line_orientation):
        bundle = load_bundle(name)
        yield ok(f"model {bundle.kind}", f"{bundle.name}, sha256 {bundle.sha256[:12]}")


def device(settings: Settings) -> Iterator[Finding]:
    """Say what the networks can run on, and whether it is what is asked for."""
    cuda = _cuda_devices()
    half = "with" if cpu_has_bf16() else "without"
    found = f"CPU {half} native bf16; CUDA: {', '.join(cuda) or 'no device'}"
    if settings.device.startswith("cuda") and not cuda:
        advice = "Leave --device at cpu, or install a CUDA build of torch and the driver."
        yield fail("device", f"{settings.device} is asked for. {found}", advice)
    else:
        yield ok("device", found)


def _cuda_devices() -> list[str]:
    """Names of the CUDA devices torch can use; none without torch."""
    if find_spec("torch") is None:
        return []
    cuda = importlib.import_module("torch").cuda
    return [cuda.get_device_name(number) for number in range(cuda.device_count())]
