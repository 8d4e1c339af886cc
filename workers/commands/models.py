"""`pagemill models`: the model bundles of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ocr_core.bundle import (
    Bundle,
    describe,
    import_bundle,
    list_bundles,
    load_bundle,
    settled_name,
)
from workers.commands.exits import ExitCode, Missing, Problem, say, say_problems
from workers.commands.invocation import options
from workers.commands.tables import print_facts, print_json, print_table

if TYPE_CHECKING:
    from ocr_core.geometry import ImageArray

_FOLDER = click.Path(file_okay=False, path_type=Path)
_IMAGE = click.Path(exists=True, dir_okay=False, path_type=Path)
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
@click.argument("name", metavar="NAME|FOLDER")
@_AS_JSON
@options()
def show(name: str, as_json: bool) -> None:
    """Show what a model is: its network, its numbers, where it comes from, its hashes."""
    facts = describe(load_bundle(settled_name(name)))
    if as_json:
        print_json(facts)
    else:
        print_facts(_flat(facts))


def _flat(facts: dict[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@models.command("export")
@click.argument("name", metavar="NAME|FOLDER")
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder to make.")
@click.option(
    "--proof",
    type=_IMAGE,
    multiple=True,
    metavar="IMAGE",
    help="Page to compare on; may be repeated [drawn text].",
)
@options()
def export_(name: str, output: Path, proof: tuple[Path, ...]) -> None:
    """Write a model, named or in a folder, as a new folder with its static graph.

    The graph is compared with the torch network first, on the pages given with --proof, or on
    the lines found on them; nothing is written if they differ.
    """
    try:
        from ocr_core.runtime.export import export_bundle
    except ModuleNotFoundError as error:
        advice = "Install it with `pip install 'pagemill[torch]'`."
        raise Missing(f"exporting needs {error.name}, which is not installed", advice) from error
    source = settled_name(name)
    bundle = export_bundle(source, output, _pictures(load_bundle(source), proof))
    say(f"{bundle.name} is in {output}, sha256 {bundle.sha256[:12]}")


def _pictures(bundle: Bundle, proof: tuple[Path, ...]) -> list[ImageArray]:
    """What a bundle is compared on: pages, or lines of pages; nothing if no page was given."""
    from ocr_core.image import read_image
    from ocr_core.runtime.proof import cut_lines

    try:
        pages = [read_image(path) for path in proof]
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--proof") from error
    if not pages or bundle.kind == "detector":
        return pages
    lines = cut_lines(pages)
    if not lines:
        raise click.BadParameter("there is no line of text on it", param_hint="--proof")
    return lines


@models.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options()
def import_(folder: Path) -> None:
    """Verify a model folder and make it available by its name."""
    bundle = import_bundle(folder)
    say(f"{bundle.name} is in {bundle.graph.parent}; use it with --model {bundle.name}")
