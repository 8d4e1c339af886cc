"""`pagemill synth`: lines and pages drawn from fonts and text, with labels to train on."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress

from workers.commands.exits import ExitCode, WrongUsage, say
from workers.commands.invocation import Invocation, options, pass_invocation

if TYPE_CHECKING:
    from ocr_core.training.skips import Skips
    from ocr_core.training.synthesis.folder import Drawing, Written
    from ocr_core.training.synthesis.looks import Look

LINE_SECONDS = 5.0
"""Time between two lines of progress where there is no terminal."""

Command = TypeVar("Command", bound=Callable[..., Any])
SIZES = "640x640-960x1280"
_UNIT = click.Choice(["line", "word"])
_JOBS = click.IntRange(min=1, max=1024)
_SOURCE = click.Path(exists=True, path_type=Path)


@click.group()
def synth() -> None:
    """Draw labelled lines and pages from fonts and text.

    What is drawn follows from the options, the fonts and --seed alone: the same command again
    goes on where it stopped. Without --fonts the fonts of this system are used or, if it has none,
    those that Pagemill's own packages bring along. Without text, values are drawn as forms and
    displays have them.
    """


_SHARED = (
    click.option("--text", "texts", type=_SOURCE, multiple=True, help="Text file, or folder of."),
    click.option("--words", type=_SOURCE, multiple=True, help="Words, set in any order."),
    click.option("--characters", metavar="TEXT|FILE", help="Characters, set in any order."),
    click.option("--fonts", type=_SOURCE, multiple=True, help="Font file, or folder of fonts."),
    click.option("--look", "looks", multiple=True, help="Kind of print; may be repeated."),
    click.option("--count", type=click.IntRange(min=1), required=True, help="Samples in all."),
    click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder."
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="Another one: others [0]."),
    click.option("--language", default="und", help="Code to write into the labels [und]."),
    click.option("-j", "--jobs", type=_JOBS, help="Samples drawn at the same time [cores]."),
    options(),
)


def _shared(command: Command) -> Command:
    for option in reversed(_SHARED):
        command = option(command)
    return command


def _length(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", value)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high:
        raise click.BadParameter("as 12 or 3-25", context, parameter)
    return low, high


def _size(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    match = re.fullmatch(r"(\d+)x(\d+)(?:-(\d+)x(\d+))?", value)
    sides = [int(side) for side in match.groups() if side] if match else []
    low, high = tuple(sides[:2]), tuple(sides[-2:])
    if not sides or min(low) < 64 or max(high) > 8192 or low[0] > high[0] or low[1] > high[1]:
        raise click.BadParameter("as 800x1000 or 640x640-960x1280", context, parameter)
    return (low[0], low[1]), (high[0], high[1])


@synth.command("lines")
@_shared
@click.option("--confusable", is_flag=True, help="Characters of a line look alike.")
@click.option("--length", callback=_length, default="1-25", help="Characters a line [1-25].")
@click.option("--height", type=click.IntRange(8, 512), help="Pixels [as it comes].")
@pass_invocation
@click.pass_context
def lines_(
    context: click.Context,
    invocation: Invocation,
    /,
    length: tuple[int, int],
    height: int | None,
    out: Path,
    count: int,
    seed: int,
    language: str,
    jobs: int | None,
    **chosen: Any,
) -> None:
    """Draw single lines: `labels.jsonl` and one PNG each.

    With --confusable the characters of the text are drawn, blurred and compared, and each line is
    made of a few that look alike.
    """
    from ocr_core.training.skips import Skips
    from ocr_core.training.synthesis.folder import Drawing
    from ocr_core.training.synthesis.lines import LineRecipe

    skips = Skips()
    recipe = LineRecipe(
        **_sources(chosen, ("clean", "scan", "photo"), skips),
        shortest=length[0],
        longest=length[1],
        height=height,
    )
    drawing = Drawing(folder=out, recipe=recipe, seed=seed, language=language)
    context.exit(_draw(drawing, count, skips, jobs=jobs, quiet=invocation.quiet))


@synth.command("pages")
@_shared
@click.option("--layout", "layouts", multiple=True, help="Kind of page; may be repeated.")
@click.option(
    "--size", callback=_size, default="640x640-960x1280", help="Pixels [640x640-960x1280]."
)
@click.option(
    "--unit", type=click.Choice(["line", "word"]), default="line", help="Labelled [line]."
)
@click.option("--png", is_flag=True, help="Keep every pixel; the files are larger than JPEG's.")
@pass_invocation
@click.pass_context
def pages_(
    context: click.Context,
    invocation: Invocation,
    /,
    layouts: tuple[str, ...],
    size: tuple[tuple[int, int], tuple[int, int]],
    unit: Any,
    png: bool,
    out: Path,
    count: int,
    seed: int,
    language: str,
    jobs: int | None,
    **chosen: Any,
) -> None:
    """Draw whole pages: `labels.jsonl` with the place of every line or word."""
    from ocr_core.training.skips import Skips
    from ocr_core.training.synthesis.folder import Drawing
    from ocr_core.training.synthesis.layouts import HORIZONTAL, LAYOUTS
    from ocr_core.training.synthesis.pages import PageRecipe

    skips = Skips()
    recipe = PageRecipe(
        **_sources(chosen, ("clean", "scan", "photo", "receipt"), skips),
        layouts=_known(layouts, LAYOUTS, "--layout") or HORIZONTAL,
        smallest=size[0],
        largest=size[1],
    )
    drawing = Drawing(
        folder=out,
        recipe=recipe,
        seed=seed,
        unit=unit,
        suffix=".png" if png else ".jpg",
        language=language,
    )
    context.exit(_draw(drawing, count, skips, jobs=jobs, quiet=invocation.quiet))


def _sources(chosen: dict[str, Any], default: tuple[str, ...], skips: Skips) -> dict[str, Any]:
    """Looks, faces and texts from the options; what cannot be drawn is counted or refused."""
    from ocr_core.training.synthesis.drawable import drawable_text, given_text
    from ocr_core.training.synthesis.faces import find_faces

    looks = _looks(chosen["looks"] or default)
    faces = find_faces(chosen["fonts"], skips)
    try:
        given = given_text(chosen["texts"], chosen["words"], _characters(chosen["characters"]))
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    confusable = bool(chosen.get("confusable"))
    if confusable and not given:
        raise WrongUsage("--confusable needs --text, --words or --characters")
    texts = drawable_text(given, faces, skips, confusable=confusable)
    return {"looks": looks, "faces": faces, "texts": texts}


def _looks(names: tuple[str, ...]) -> tuple[Look, ...]:
    from ocr_core.training.synthesis.looks import LOOKS

    return tuple(LOOKS[name] for name in _known(names, LOOKS, "--look"))


def _known(names: tuple[str, ...], table: dict[str, Any], option: str) -> tuple[str, ...]:
    unknown = [name for name in names if name not in table]
    if unknown:
        raise WrongUsage(f"{option}: there is no {', '.join(unknown)}; one of {', '.join(table)}")
    return names


def _characters(given: str | None) -> str:
    """Characters as given, or those of a file of that name."""
    if given is None or not Path(given).is_file():
        return given or ""
    from ocr_core.training.synthesis.texts import distinct, read_text_lines

    return distinct(read_text_lines(Path(given)))


def _draw(drawing: Drawing, count: int, skips: Skips, *, jobs: int | None, quiet: bool) -> ExitCode:
    """Fill the folder, say what was left out, and choose the exit code."""
    from ocr_core.training.errors import FolderOfAnotherDrawing
    from ocr_core.training.synthesis.folder import fill, prepare

    try:
        done = prepare(drawing)
    except FolderOfAnotherDrawing as error:
        raise WrongUsage(str(error), error.advice) from error
    written = fill(drawing, count, jobs=jobs or os.cpu_count() or 1)
    for sample in _shown(written, max(0, count - done), quiet=quiet):
        for text in sample.passed_over:
            skips.add("no_font_for_text", repr(text))
    for line in skips.lines():
        say(line)
    if not quiet:
        new = max(0, count - done)
        say(f"{done + new} samples are in {drawing.folder}, {new} of them new")
    return ExitCode.PARTLY if skips else ExitCode.WELL


def _shown(written: Iterator[Written], count: int, *, quiet: bool) -> Iterator[Written]:
    """Hand samples on, with a bar on a terminal and a line now and then elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield from _with_lines(written, count, quiet=quiet)
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(written, total=count, description="drawing")


def _with_lines(written: Iterator[Written], count: int, *, quiet: bool) -> Iterator[Written]:
    due = time.monotonic() + LINE_SECONDS
    for number, sample in enumerate(written, start=1):
        yield sample
        if not quiet and time.monotonic() >= due:
            say(f"{number} of {count}")
            due = time.monotonic() + LINE_SECONDS
