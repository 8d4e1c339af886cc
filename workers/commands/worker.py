"""`pagemill worker`: a Celery worker with the settings of this project."""

from __future__ import annotations

import os
import sys

import click

from workers.commands.invocation import Invocation, options, pass_invocation


@click.command()
@click.option("--queue", type=click.Choice(["cpu", "gpu"]), help="Which pages to read [cpu].")
@options("database", "broker", "bucket", "jobs", "model", "engine", "device", "precision")
@pass_invocation
def worker(invocation: Invocation, queue: str | None) -> None:
    """Run a Celery worker that reads waiting pages, until it is told to stop.

    The same as `celery -A workers.app worker -Q cpu -c JOBS`, with the settings given here.
    """
    settings = invocation.settings(queue=queue)
    level = {-1: "ERROR", 0: "INFO"}.get(invocation.verbosity, "DEBUG")
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker"]
    command += ["-Q", settings.queue, "-c", str(settings.jobs), "-l", level]
    os.execve(sys.executable, command, {**os.environ, **settings.to_environment()})
