"""The `pagemill` command: finds the commands and turns what happened into an exit code."""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import cast

import click

from workers.commands.exits import ExitCode, Explained, Stop, exit_code_of, say_error
from workers.commands.invocation import ALL_OPTIONS, Invocation, options

COMMANDS = {
    "run": "workers.commands.run:run",
    "watch": "workers.commands.watch:watch",
    "worker": "workers.commands.worker:worker",
    "ocr": "workers.commands.ocr:ocr",
    "status": "workers.commands.ledger:status",
    "retry": "workers.commands.ledger:retry",
    "quarantine": "workers.commands.ledger:quarantine",
    "search": "workers.commands.query:search",
    "sql": "workers.commands.query:sql",
    "export": "workers.commands.export:export",
    "db": "workers.commands.db:db",
    "synth": "workers.commands.synth:synth",
    "train": "workers.commands.train:train",
    "evaluate": "workers.commands.evaluate:evaluate",
    "models": "workers.commands.models:models",
    "doctor": "workers.commands.doctor:doctor",
}
"""Where each command is; imported when it is called, so that none pays for another."""


class Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        return cast(click.Command, getattr(importlib.import_module(module), name))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pagemill", message="%(prog)s %(version)s")
@options(*ALL_OPTIONS)
@click.pass_context
def cli(context: click.Context) -> None:
    """Read documents, keep their text in an SQL database, and find it again.

    Results go to stdout, messages to stderr. Exit codes: 0 all well, 1 wrong usage, 2 some input
    refused or pages quarantined, 3 a missing dependency or service, 4 nothing could be read,
    130 interrupted.
    """
    context.ensure_object(Invocation)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; the `pagemill` script ends with it."""
    if "_PAGEMILL_COMPLETE" in os.environ:  # the shell asks how a word may go on
        cli.main(prog_name="pagemill")
    try:
        return _exit_code_of(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.WELL


def _exit_code_of(arguments: list[str]) -> int:
    try:
        with cli.make_context("pagemill", arguments) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except Stop as stop:
        stop.show()
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.WRONG_USAGE
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except Exception as error:  # a sentence if it is one of ours, a traceback if it is a fault
        return _explain(error)
    return ExitCode.WELL


def _explain(error: Exception) -> int:
    """Say what an error of ours, or of this machine, means; any other is raised again."""
    from sqlalchemy.exc import DatabaseError

    from workers.faults import EnvironmentFault, environment_faults

    try:
        with environment_faults():
            raise error
    except EnvironmentFault as fault:
        explained: Explained = fault
    except Exception as other:
        if type(other) in (DatabaseError, sqlite3.DatabaseError):  # not one of the subclasses
            explained = EnvironmentFault(
                "database_damaged", f"The database cannot be read: {getattr(other, 'orig', other)}."
            )
        elif isinstance(other, Explained):
            explained = other
        else:
            raise
    say_error(str(explained), explained.advice)
    return exit_code_of(explained)
