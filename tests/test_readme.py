"""The README says what the program can do, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.testing import CliRunner

from workers.cli import cli

README = Path(__file__).parent.parent / "README.md"


def _table() -> dict[str, str]:
    """Usage of each command by its name, as the table between the markers has it."""
    text = README.read_text(encoding="utf-8")
    between = text.split("<!-- commands -->")[1].split("<!-- /commands -->")[0]
    rows = between.replace("\\|", "/")  # inside a table a bar has to be escaped
    return dict(re.findall(r"^\| `pagemill (\w+)([^`]*)`", rows, flags=re.MULTILINE))


def _commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    return {
        name: command
        for name in cli.list_commands(context)
        if (command := cli.get_command(context, name))
    }


def test_the_readme_lists_the_commands_that_help_lists_in_the_same_order() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).stdout.split("Commands:")[1]
    helped = re.findall(r"^  (\w+)  ", shown, flags=re.MULTILINE)
    assert list(_table()) == helped


def test_the_readme_names_the_subcommands_and_only_options_that_exist() -> None:
    for name, command in _commands().items():
        usage = _table()[name]
        if isinstance(command, click.Group):
            assert usage.strip() == "/".join(command.commands)
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z]+", usage)) <= known, name
