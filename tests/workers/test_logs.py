import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from workers.logs import set_up_logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def fail(password: str) -> None:
    raise ValueError("it failed")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_values(as_json: bool) -> None:
    out = io.StringIO()
    set_up_logs("INFO", json=as_json, stream=out)
    try:
        fail("hunter" + "2")  # composed, so that the source line does not show it
    except ValueError:
        structlog.get_logger().exception("page_failed", page=3)
    assert "it failed" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_every_event_is_one_json_object_a_line_whoever_logs_it() -> None:
    out = io.StringIO()
    set_up_logs("INFO", json=True, stream=out)
    with structlog.contextvars.bound_contextvars(page=7):
        structlog.get_logger("ours").info("page_read", text="第一\n行")
    logging.getLogger("theirs").warning("of a library: %s", 42)
    logging.getLogger("kombu").info("chatter")
    ours, theirs = map(json.loads, out.getvalue().splitlines())
    assert (ours["event"], ours["page"], ours["text"]) == ("page_read", 7, "第一\n行")
    assert (theirs["event"], theirs["level"]) == ("of a library: 42", "warning")
