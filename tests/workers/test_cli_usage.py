"""What can be said on the command line, and how it ends when it makes no sense."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from workers.cli import COMMANDS, cli, main
from workers.commands.exits import ExitCode, verdict
from workers.commands.invocation import Invocation, options, pass_invocation


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: cli {name}")


def test_help_lists_every_command_with_a_sentence() -> None:
    listed = CliRunner().invoke(cli, ["--help"]).stdout.split("Commands:")[1].splitlines()
    sentences = dict(line.split(maxsplit=1) for line in listed if line.strip())
    assert list(sentences) == list(COMMANDS)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "run",
        "run missing.pdf",
        "run gs://bucket/key",
        "ocr missing.png",
        "status --nonsense",
        "run . --mode maybe",
        "run . -j 0",
        "run . --pages 3-1",
        "run . --pages x",
        "watch",
        "watch missing --embedded",
        "run . --config missing.toml",
        "run . --database nonsense",
    ],
)
def test_wrong_usage_ends_with_1_and_a_word_on_stderr(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.strip()


def test_a_missing_path_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "no/such.pdf"])
    assert "no/such.pdf" in capsys.readouterr().err


def test_an_unknown_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGEMILL_JOBBS", "3")
    assert main(["status"]) == 1
    assert "PAGEMILL_JOBBS" in capsys.readouterr().err


def test_the_folder_of_models_is_a_variable_and_no_unknown_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGEMILL_MODELS", "models")
    assert main(["status"]) == 3  # there is no database, which is all that is wrong
    assert "PAGEMILL_MODELS" not in capsys.readouterr().err


def test_a_model_that_is_not_there_is_a_missing_dependency(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("page.png").write_bytes(b"")
    assert main(["ocr", "page.png", "--model", "no-such-model"]) == 3
    assert "no-such-model" in capsys.readouterr().err


@pytest.mark.parametrize(("read", "problems", "code"), [(5, 0, 0), (5, 1, 2), (0, 3, 4), (0, 0, 4)])
def test_the_exit_code_says_whether_all_some_or_nothing_was_read(
    read: int, problems: int, code: int
) -> None:
    assert verdict(read, problems) == ExitCode(code)


@pytest.fixture
def said() -> dict[str, object]:
    return {}


@pytest.fixture
def group(said: dict[str, object]) -> click.Group:
    """A program with one command that tells which options it was given."""

    @click.group()
    @options("database", "jobs", "password")
    def program() -> None:
        pass

    @program.command()
    @options("database", "jobs", "password", "pages")
    @pass_invocation
    def tell(invocation: Invocation) -> None:
        said.update(invocation.flags, verbosity=invocation.verbosity)

    return program


@pytest.mark.parametrize(
    "line",
    ["--database sqlite:///x.db -j 3 -vv tell", "tell --database sqlite:///x.db -j 3 -vv"],
)
def test_shared_options_stand_before_or_after_the_command(
    group: click.Group, said: dict[str, object], line: str
) -> None:
    assert CliRunner().invoke(group, line.split()).exit_code == 0
    assert said == {"database_url": "sqlite:///x.db", "jobs": 3, "verbosity": 2}


def test_the_later_of_two_places_wins(group: click.Group, said: dict[str, object]) -> None:
    CliRunner().invoke(group, ["-j", "3", "-q", "tell", "-j", "5", "--pages", "1,3-5"])
    assert said == {"jobs": 5, "pages": "1,3-5", "verbosity": -1}


def test_passwords_may_be_repeated(group: click.Group, said: dict[str, object]) -> None:
    CliRunner().invoke(group, ["tell", "--password", "a", "--password", "b"])
    assert said["passwords"] == ("a", "b")


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("pagemill.toml").write_text('jobs = 2\nmode = "skip"\ndpi = 100\n')
    monkeypatch.setenv("PAGEMILL_JOBS", "3")
    monkeypatch.setenv("PAGEMILL_MODE", "redo")
    settings = Invocation(flags={"jobs": 4}).settings()
    assert (settings.jobs, settings.mode, settings.dpi) == (4, "redo", 100)


def test_a_model_takes_the_place_its_kind_says() -> None:
    invocation = Invocation(models=("ppocrv6-small-det",))
    assert invocation.settings().detector == "ppocrv6-small-det"


def test_models_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:3] == ["name", "ppocrv6-small-det", "ppocrv6-small-rec"]
    assert main(["models", "show", "ppocrv6-small-rec"]) == 0
    assert "Apache-2.0" in capsys.readouterr().out


def test_a_model_is_imported_once_and_refused_when_its_files_are_not_what_they_were(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from ocr_core.bundle import load_bundle, save_bundle

    monkeypatch.setenv("PAGEMILL_MODELS", "models")
    bundle = replace(load_bundle("ppocr-mobile-line-orientation"), name="my-turns")
    save_bundle(bundle, Path("given"))
    assert main(["models", "import", "given"]) == 0
    assert main(["models", "list"]) == 0
    assert "my-turns" in capsys.readouterr().out
    with Path("given/model.onnx").open("ab") as graph:
        graph.write(b"!")
    assert main(["models", "import", "given"]) == 3
    assert "SHA-256" in capsys.readouterr().err
