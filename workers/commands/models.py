"""`pagemill models`: the model bundles of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ocr_core.bundle import Bundle, describe, import_bundle, list_bundles, load_bundle
from ocr_core.errors import BundleExists, ExportMismatch, OcrError
from workers.commands.exits import ExitCode, Problem, Stop, say, say_problems
from workers.commands.invocation import options
from workers.commands.tables import print_json, print_table

_FOLDER = click.Path(file_okay=False, path_type=Path)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.group()
def models() -> None:
    """List, show, export and import model bundles."""


@models.command("list")
@_AS_JSON
@options()
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the models that can be named with --model."""
    damaged: list[Problem] = []
    bundles = list_bundles(on_error=lambda name, error: damaged.append(Problem.of(name, error)))
    if as_json:
        print_json([describe(bundle) for bundle in bundles])
    else:
        print_table(["name", "kind", "network", "torch", "sha256", "from"], map(_row, bundles))
    say_problems(damaged)
    context.exit(ExitCode.MISSING if damaged else ExitCode.WELL)


def _row(bundle: Bundle) -> tuple[str, ...]:
    weights = "yes" if bundle.weights or bundle.builtin else "no"
    place = "built in" if bundle.builtin else str(bundle.graph.parent)
    return bundle.name, bundle.kind, bundle.architecture, weights, bundle.sha256[:12], place


@models.command()
@click.argument("name")
@_AS_JSON
@options()
def show(name: str, as_json: bool) -> None:
    """Show what a model is: its network, its numbers, where it comes from, its hashes."""
    facts = describe(load_bundle(name))
    if as_json:
        print_json(facts)
    else:
        print_table(["", ""], _flat(facts))


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value))
    return rows
