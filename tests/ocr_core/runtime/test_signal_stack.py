"""Signals after networks were given up: run apart, for where this fails the process is gone."""

import subprocess
import sys

import pytest

from ocr_core import wheel

NAMES = tuple(model.name for model in wheel.MODELS)

IN_ORDER = "while sessions: sessions.pop(0)"
IN_ANOTHER_THREAD = """
import threading
thread = threading.Thread(target=sessions.clear)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("give_up", [IN_ORDER, IN_ANOTHER_THREAD], ids=["in order", "in a thread"])
def test_a_signal_after_the_networks_are_given_up_reaches_its_handler(give_up: str) -> None:
    program = f"""
import gc, os, signal
from ocr_core.bundle import load_bundle
from ocr_core.runtime import RuntimeOptions, open_session

options = RuntimeOptions(engine="openvino")
sessions = [open_session(load_bundle(name), options) for name in {NAMES!r}]
{give_up}
gc.collect()
signal.signal(signal.SIGUSR2, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGUSR2)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
