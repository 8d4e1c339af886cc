"""`pagemill run`, `watch` and `worker`: the real script, as a person starts it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from workers.trial_page import LINES, draw_pdf

SCRIPT = Path(sys.executable).with_name("pagemill")
WAIT_SECONDS = 120.0

Pagemill = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def pagemill(tmp_path: Path) -> Pagemill:
    """Run a command to its end, in an empty folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [SCRIPT, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run


@contextmanager
def _started(place: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a process group of its own, as a shell does; it is ended afterwards."""
    with (place / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(
            [SCRIPT, *arguments],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A PDF with a text layer, the same again in a subfolder, and a picture of text."""
    inbox = tmp_path / "inbox"
    (inbox / "more").mkdir(parents=True)
    (inbox / "letter.pdf").write_bytes(draw_pdf())
    shutil.copy(inbox / "letter.pdf", inbox / "more" / "copy.pdf")
    _draw(inbox / "sheet.png", "Received 4711 crates")
    return inbox


def _draw(path: Path, text: str) -> None:
    picture = Image.new("RGB", (900, 200), "white")
    ImageDraw.Draw(picture).text((40, 60), text, fill="black", font=ImageFont.load_default(48))
    picture.save(path)


def test_a_folder_is_read_and_the_same_command_again_does_nothing(
    pagemill: Pagemill, inbox: Path
) -> None:
    first = pagemill("run", "inbox", "-j", "1")
    assert first.returncode == 0, first.stderr
    assert "2 documents: 2 done" in first.stdout
    assert "2 pages: 1 read, 1 from their text layer" in first.stdout
    assert "pages a minute" in first.stdout
    assert "The text is in sqlite:///pagemill.db" in first.stdout
    for tried in (line.strip() for line in first.stdout.splitlines() if "  pagemill " in line):
        program, *arguments = shlex.split(tried)
        assert program == "pagemill"
        assert pagemill(*arguments).returncode == 0, tried
    again = pagemill("run", "inbox", "-j", "1")
    assert again.returncode == 0
    assert "Nothing was left to do" in again.stdout
    assert pagemill("export", "sheet.png").stdout == "Received 4711 crates\n"
    assert pagemill("export", "copy.pdf").stdout == "".join(f"{line}\n" for line in LINES)


def test_the_database_file_can_be_copied_alone_after_a_run(
    pagemill: Pagemill, inbox: Path, tmp_path: Path
) -> None:
    assert pagemill("run", str(inbox)).returncode == 0
    copy = tmp_path / "elsewhere.db"
    shutil.copy(tmp_path / "pagemill.db", copy)
    found = pagemill(
        "sql", "SELECT count(*) FROM v_pages", "--csv", "--database", f"sqlite:///{copy}"
    )
    assert found.stdout.split() == ["count(*)", "2"]


def test_what_is_refused_is_listed_with_advice_and_the_rest_is_read(
    pagemill: Pagemill, inbox: Path
) -> None:
    (inbox / "broken.pdf").write_bytes(b"%PDF-1.7 nothing of it is left")
    done = pagemill("run", "inbox", "-j", "1", "--json")
    assert done.returncode == 2
    summary = json.loads(done.stdout)
    assert summary["documents"] == {"reading": 0, "done": 2, "partial": 0, "failed": 1}
    assert summary["pages"] == {"pending": 0, "leased": 0, "done": 2, "quarantined": 0}
    assert (summary["new_pages"], summary["pages_from_text_layer"]) == (2, 1)
    (problem,) = summary["problems"]
    assert problem["source"] == str(inbox / "broken.pdf")
    assert problem["page"] is None
    assert f"{inbox / 'broken.pdf'}: {problem['code']}: {problem['message']}" in done.stderr
    assert problem["advice"] in done.stderr


@pytest.mark.parametrize("content", [b"", b"no document"])
def test_a_run_that_reads_nothing_ends_with_4(
    pagemill: Pagemill, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.pdf").write_bytes(content)
    assert pagemill("run", "bad.pdf", "-j", "1").returncode == 4


def test_an_empty_folder_ends_with_4_and_is_named(pagemill: Pagemill, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    done = pagemill("run", "nothing", "-j", "1")
    assert done.returncode == 4
    assert "no documents in nothing" in done.stderr


def test_progress_is_lines_on_stderr_and_quiet_says_nothing(
    pagemill: Pagemill, inbox: Path
) -> None:
    loud = pagemill("run", "inbox/letter.pdf", "-j", "1")
    assert "1 of 1 pages" in loud.stderr
    assert "\x1b" not in loud.stderr
    quiet = pagemill("-q", "run", "inbox/sheet.png", "-j", "1")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_an_interrupted_run_ends_with_130_and_the_same_command_goes_on(
    pagemill: Pagemill, tmp_path: Path
) -> None:
    (tmp_path / "many").mkdir()
    for number in range(12):
        _draw(tmp_path / "many" / f"{number}.png", f"sheet number {number}")
    with _started(tmp_path, "run", "many", "-j", "1") as process:
        _wait_until(lambda: _pages(pagemill).get("done", 0) > 0)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 130
    assert "The same command goes on" in (tmp_path / "stderr.txt").read_text()
    before = _pages(pagemill)
    assert before["leased"] == 0
    assert pagemill("run", "many", "-j", "1").returncode == 0
    assert _pages(pagemill) == {"pending": 0, "leased": 0, "done": 12, "quarantined": 0}


def _pages(pagemill: Pagemill) -> dict[str, Any]:
    answer = pagemill("status", "--json")
    return dict(json.loads(answer.stdout)["pages"]) if answer.returncode == 0 else {}


def test_a_run_without_a_path_reads_what_waits(pagemill: Pagemill, inbox: Path) -> None:
    assert pagemill("run", "inbox/letter.pdf", "-j", "1").returncode == 0
    nothing = pagemill("run")
    assert nothing.returncode == 1
    assert "no page waits" in nothing.stderr


def test_a_watched_folder_is_read_until_it_is_interrupted(
    pagemill: Pagemill, inbox: Path, tmp_path: Path
) -> None:
    (tmp_path / "pagemill.toml").write_text("quiet_seconds = 0.5\nscan_seconds = 0.2\n")
    with _started(tmp_path, "watch", "inbox", "--embedded", "-j", "1") as process:
        _wait_until(lambda: _pages(pagemill).get("done") == 2)
        _draw(inbox / "late.png", "one more")
        _wait_until(lambda: _pages(pagemill).get("done") == 3)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_SECONDS) == 130
    assert pagemill("export", "late.png").stdout == "one more\n"


def test_a_worker_is_celery_with_our_settings(tmp_path: Path) -> None:
    with _started(tmp_path, "worker", "--queue", "gpu", "-j", "1") as process:
        _wait_until(lambda: "ready" in (tmp_path / "stderr.txt").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
        assert process.stdout is not None
        assert "exchange=gpu" in process.stdout.read()
