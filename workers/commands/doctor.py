"""`pagemill doctor`: is everything there, and does it read?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import click
from rich.text import Text

from workers.checks.finding import Finding
from workers.commands.exits import ExitCode
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.commands.tables import print_json, printable, stdout_console

_COLORS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@options("database", "broker", "bucket", "jobs", "model", "engine", "device", "precision")
@pass_invocation
@click.pass_context
def doctor(context: click.Context, invocation: Invocation, as_json: bool) -> None:
    """Check database, broker, bucket, models, engines and device, and read a test page.

    Ends with 3 if something keeps pages from being read.
    """
    from workers.doctor import examine

    found = examine(invocation.settings())
    findings = list(found) if as_json else _print(found)
    healthy = all(finding.status != "fail" for finding in findings)
    if as_json:
        checks = [asdict(finding) | {"seconds": round(finding.seconds, 3)} for finding in findings]
        print_json({"ok": healthy, "checks": checks})
    context.exit(ExitCode.WELL if healthy else ExitCode.MISSING)


def _print(findings: Iterable[Finding]) -> list[Finding]:
    """Print each finding as it comes: some take seconds."""
    console = stdout_console()
    printed = []
    for finding in findings:
        status = Text(f"{finding.status:<5}", style=_COLORS[finding.status])
        console.print(status, Text(f"{finding.name:<24}"), Text(printable(finding.message)))
        if finding.advice:
            console.print(Text(f"{'':<31}{printable(finding.advice)}"))
        printed.append(finding)
    return printed
