"""`pagemill doctor`: what it finds, and how it ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.sandbox import Sandbox
from storage.database import migrate, open_database
from workers.checks import engines, places
from workers.checks.finding import Finding, ok
from workers.cli import main
from workers.doctor import CHECKS, examine
from workers.settings import Settings
from workers.trial_page import LINES, draw_pdf


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _found(findings: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.status) for finding in findings]


def test_a_healthy_machine_reads_the_test_page_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    status = {check["name"]: check["status"] for check in report["checks"]}
    assert report["ok"]
    assert {"database", "broker", "bucket", "sandbox", "engine openvino", "job"} <= status.keys()
    assert set(status.values()) == {"ok"}
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_raises_is_a_finding_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(settings: Settings) -> Iterator[Finding]:
        yield ok("first", "well")
        raise PermissionError("no entry")

    def fine(settings: Settings) -> Iterator[Finding]:
        yield ok("fine", "well")

    monkeypatch.setattr("workers.doctor.CHECKS", {"broken": broken, "fine": fine})
    assert _found(examine(Settings())) == [("first", "ok"), ("broken", "fail"), ("fine", "ok")]
    assert main(["doctor"]) == 3
    assert "PermissionError: no entry" in capsys.readouterr().out


def test_a_database_is_looked_at_without_being_made(tmp_path: Path) -> None:
    assert _found(places.database(Settings())) == [("database", "ok")]
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_this_version_is_told_from_an_empty_one() -> None:
    settings = Settings(database_url="sqlite:///x.db")
    engine = open_database(settings.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 0")  # writes the file, makes no table
    assert "another version" in next(places.database(settings)).message
    migrate(engine)
    engine.dispose()
    assert "up to date" in next(places.database(settings)).message


def test_a_server_is_asked_for_its_version_and_rights(postgresql_url: str) -> None:
    (finding,) = places.database(Settings(database_url=postgresql_url))
    assert finding.status == "ok"
    assert "PostgreSQL" in finding.message
    assert "up to date" in finding.message
    assert "postgres:***@" in finding.message


def test_a_folder_that_is_not_there_fails_the_database() -> None:
    settings = Settings(database_url="sqlite:///no/such/folder/x.db")
    names = [name for name, status in _found(examine(settings)) if status == "fail"]
    assert "database" in names


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.checks.places.FREE_BYTES", 2**80)
    assert ("cache", "warn") in _found(places.cache(Settings()))


def test_a_broker_that_does_not_answer_fails_in_seconds() -> None:
    with socket.socket() as nobody:  # bound and never listening: connections are refused
        nobody.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        with pytest.raises(Exception, match="refused"):
            list(places.broker(Settings(broker_url=url)))


def test_a_broker_without_workers_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.checks.places.ANSWER_SECONDS", 0.3)
    settings = Settings(broker_url=f"pagemill+sqlite:///{tmp_path / 'broker.db'}")
    assert _found(places.broker(settings)) == [("broker", "ok"), ("workers", "warn")]


def test_a_bucket_is_counted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / name).write_bytes(b"x")
    (finding,) = places.bucket(Settings(bucket=str(tmp_path / "in")))
    assert "2 objects" in finding.message


def test_an_unknown_model_fails_its_check_only() -> None:
    found = dict(_found(examine_only("models", Settings(recognizer="no-such-model"))))
    assert found == {"model detector": "ok", "models": "fail"}


def examine_only(name: str, settings: Settings) -> Iterator[Finding]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.doctor.CHECKS", {name: CHECKS[name]})
        yield from examine(settings)


def test_asking_for_cuda_without_a_device_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.checks.engines._cuda_devices", list)
    assert _found(engines.device(Settings(device="cuda"))) == [("device", "fail")]
    assert _found(engines.device(Settings(device="cpu"))) == [("device", "ok")]


def test_the_test_page_says_what_it_should() -> None:
    path = Path("page.pdf")
    path.write_bytes(draw_pdf(["(brackets) and \\ too"]))
    with Sandbox() as sandbox:
        facts, page = sandbox.split(path), sandbox.page(path, 1)
    assert not facts.repaired
    assert [line.text for line in page.lines] == ["(brackets) and \\ too"]
    path.write_bytes(draw_pdf())
    with Sandbox() as sandbox:
        assert tuple(line.text for line in sandbox.page(path, 1).lines) == LINES
