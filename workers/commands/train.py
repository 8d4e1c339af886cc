"""`pagemill train`: models from labels of one's own."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workers.commands.exits import Missing, WrongUsage, say
from workers.commands.invocation import Invocation, options, pass_invocation
from workers.commands.label_options import PATH, label_options, say_skips, verdict
from workers.commands.tables import print_facts, print_json, print_table

if TYPE_CHECKING:
    from ocr_core.training.job import Trained, TrainingJob
    from ocr_core.training.preparation import Prepared, Recipe, Subject
    from ocr_core.training.sources import Sources

Command = TypeVar("Command", bound=Callable[..., Any])
_OUT = click.Path(path_type=Path)
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_PRECISION = click.Choice(["fp32", "bf16", "fp16"])
_COUNT = click.IntRange(min=1)
_SHARED = (
    click.option("--recipe", required=True, metavar="NAME", help="See `train recipes`."),
    label_options,
    click.option(
        "--held-out", type=PATH, multiple=True, help="Labels to measure on [a share of --data]."
    ),
    click.option(
        *("--held-out-share", "share"), type=_SHARE, default=0.1, help="How much of it [0.1]."
    ),
    click.option("--unlabelled", type=PATH, multiple=True, help="Images without labels."),
    click.option("--start", metavar="NAME", help="Model to begin with."),
    click.option("--teacher", metavar="NAME", help="Model to learn from."),
    click.option("--out", type=_OUT, required=True, help="Folder of the new model."),
    click.option("--name", help="Name of the new model [that of its folder]."),
    click.option("--license", help="Of the new weights [that of --start]."),
    click.option(
        *("--set", "settings"), multiple=True, metavar="NAME=VALUE", help="Number of the recipe."
    ),
    click.option("--steps", type=_COUNT, help="Updates of the weights [as the recipe says]."),
    click.option("--seed", type=click.IntRange(min=0), help="Another one: another run [0]."),
    click.option("--workers", type=click.IntRange(min=0), help="Processes that make batches."),
    click.option("--threads", type=_COUNT, help="Threads of the CPU [all]."),
    click.option("--device", default="auto", metavar="auto|cpu|cuda", help="Where [auto]."),
    click.option("--precision", type=_PRECISION, default="fp32", help="Numbers used [fp32]."),
    click.option("--resume", is_flag=True, help="Go on where a run was interrupted."),
    click.option("--json", "as_json", is_flag=True, help="Print the result for programs."),
    options(),
    pass_invocation,
    click.pass_context,
)


def _shared(command: Command) -> Command:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@click.group()
def train() -> None:
    """Train or fine-tune a model on labels, or show the recipes.

    What comes out is a folder that `pagemill run --model FOLDER` reads with. Beside it, in a folder
    that ends in `.run`, lie the checkpoints and `metrics.jsonl`. A run that was killed goes on with
    the same command and --resume, to the same weights.
    """


@train.command()
@_shared
def det(context: click.Context, invocation: Invocation, /, **chosen: Any) -> None:
    """Train a detector: it finds the lines of a page."""
    _train(context, invocation, "det", chosen)


@train.command()
@click.option("--replay", type=PATH, multiple=True, help="General labels not to be forgotten.")
@click.option("--centers", type=PATH, help="Class centres, from `train centers`.")
@_shared
def rec(context: click.Context, invocation: Invocation, /, **chosen: Any) -> None:
    """Train a recogniser: it reads a line."""
    _train(context, invocation, "rec", chosen)


@train.command()
@click.option("--model", "name", required=True, metavar="NAME", help="A trained recogniser.")
@label_options
@click.option("--out", type=_OUT, required=True, help="File to write.")
@options()
@click.pass_context
def centers(
    context: click.Context, /, name: str, data: tuple[Path, ...], form: Any, out: Path
) -> None:
    """Compute the class centres of Enhanced CTC: means over the lines a model reads correctly."""
    with _torch():
        from ocr_core.training.centers import write_centers
        from ocr_core.training.sources import Sources
    if out.exists():
        raise WrongUsage(f"{out} is already there", "Choose another --out.")
    written = write_centers(name, Sources(data=data, form=form), out)
    say(f"centres of {written.known} of {written.classes} classes are in {out}")
    say_skips(written.skips)
    context.exit(verdict(written.skips))


@train.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@options()
def recipes(name: str | None, as_json: bool) -> None:
    """List the recipes, or the numbers of one that --set can change."""
    with _torch():
        from ocr_core.training.preparation import recipes as known
    everything = {**known("det"), **known("rec")}
    if name is not None and name not in everything:
        raise WrongUsage(f"no recipe is called {name}", "`pagemill train recipes` lists them.")
    if name is not None:
        numbers = _numbers(everything[name])
        print_json(numbers) if as_json else print_facts(_shown(numbers))
    elif as_json:
        print_json({key: _numbers(recipe) for key, recipe in everything.items()})
    else:
        print_table(["train", "recipe", "steps"], _rows(known))


def _rows(known: Callable[[Any], Any]) -> Iterator[tuple[str, str, int]]:
    for subject in ("det", "rec"):
        for name, recipe in known(subject).items():
            yield subject, name, recipe.loop.steps


def _numbers(recipe: Recipe) -> dict[str, object]:
    from ocr_core.training.overrides import setting_names, setting_value

    return {name: setting_value(recipe, name) for name in setting_names(recipe)}


def _shown(numbers: dict[str, object]) -> dict[str, object]:
    """None as --set takes it; in a table it would be an empty cell."""
    return {name: "none" if value is None else value for name, value in numbers.items()}


def _train(
    context: click.Context, invocation: Invocation, subject: Subject, chosen: dict[str, Any]
) -> None:
    with _torch():
        from ocr_core.training.job import run_job
    from workers.commands.training_progress import progress_hooks

    job = _job(subject, chosen)
    try:
        trained = run_job(job, progress_hooks(quiet=invocation.quiet), _announce(invocation.quiet))
    except KeyboardInterrupt:
        say("interrupted; the same command with --resume goes on")
        raise
    _report(job, trained, as_json=chosen["as_json"])
    context.exit(verdict(trained.prepared.skips))


def _job(subject: Subject, chosen: dict[str, Any]) -> TrainingJob:
    from ocr_core.training.devices import Device
    from ocr_core.training.job import TrainingJob
    from ocr_core.training.preparation import Models, chosen_recipe

    return TrainingJob(
        subject=subject,
        recipe=chosen_recipe(subject, chosen["recipe"], _settings(chosen)),
        models=Models(
            start=chosen["start"], teacher=chosen["teacher"], centers=chosen.get("centers")
        ),
        sources=_sources(chosen),
        out=chosen["out"],
        name=_name(chosen["name"], chosen["out"]),
        command=shlex.join(["pagemill", *sys.argv[1:]]),
        license=chosen["license"],
        where=Device.of(chosen["device"], chosen["precision"], chosen["threads"]),
        resume=chosen["resume"],
    )


def _sources(chosen: dict[str, Any]) -> Sources:
    from ocr_core.training.sources import Sources

    names = ("data", "held_out", "share", "unlabelled", "form")
    return Sources(**{name: chosen[name] for name in names}, replay=chosen.get("replay", ()))


def _settings(chosen: dict[str, Any]) -> list[str]:
    """What --set says, and then the options that are short for it."""
    short = {name: chosen[name] for name in ("steps", "seed", "workers")}
    given = [f"loop.{name}={value}" for name, value in short.items() if value is not None]
    return [*chosen["settings"], *given]


def _name(given: str | None, out: Path) -> str:
    """A name a bundle may have; that of its folder, with what does not fit made dashes."""
    fitting = re.sub(r"[^a-z0-9._-]+", "-", (given or out.name).lower()).lstrip("._-")[:100]
    if (given is not None and fitting != given) or not fitting:
        raise WrongUsage(f"{given or out.name!r} is no name for a model", "As in --name my-rec-2.")
    return fitting


def _announce(quiet: bool) -> Callable[[Prepared], None]:
    def announce(prepared: Prepared) -> None:
        if not quiet:
            say(f"learning from {prepared.learned}, measuring on {prepared.measured}")
        say_skips(prepared.skips)

    return announce


def _report(job: TrainingJob, trained: Trained, *, as_json: bool) -> None:
    outcome, bundle = trained.outcome, trained.bundle
    facts = {
        "model": str(job.out),
        "name": bundle.name,
        "sha256": bundle.sha256,
        "steps": outcome.step,
        "skipped_steps": outcome.skipped,
        "best_step": outcome.best_step,
        **outcome.best_metrics,
    }
    if trained.late:
        say_skips(trained.prepared.skips)
    if outcome.stopped:
        say(f"ended after {outcome.step} steps: {outcome.stopped}")
    if as_json:
        print_json({**facts, "skipped": trained.prepared.skips.counts})
    else:
        print_facts(facts)
        say(f"read with it: pagemill run PATH --model {shlex.quote(str(job.out))}")


@contextmanager
def _torch() -> Iterator[None]:
    """Imports that need the torch extra; raises Missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        advice = "Install it with `pip install 'pagemill[torch]'`."
        raise Missing(f"training needs {error.name}, which is not installed", advice) from error
