"""Files read in several processes, from the process that reads their pages."""

from __future__ import annotations

import multiprocessing
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from PIL import Image

from workers.direct import read_files
from workers.settings import Settings


def test_reading_can_be_given_up_while_its_threads_see_the_processes_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = BaseProcess.kill

    def kill_and_look_away(process: BaseProcess) -> None:
        kill(process)
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.3)  # on a busy machine the thread that waits for a page is heard first

    monkeypatch.setattr(BaseProcess, "kill", kill_and_look_away)
    (tmp_path / "bad.png").write_bytes(b"this is no picture")
    Image.new("RGB", (300, 100), "white").save(tmp_path / "good.png")
    names = ["bad.png", "good.png", "good.png", "good.png"]
    pages = read_files([str(tmp_path / name) for name in names], Settings(jobs=2))
    assert next(iter(pages)).error is not None  # the others still open the networks
    pages.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []
