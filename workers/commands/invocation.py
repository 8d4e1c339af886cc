"""The options that commands share, taken before or after the command's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from workers.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Invocation:
    """What the person said besides the command itself."""

    flags: dict[str, object] = field(default_factory=dict)
    """Settings by name, only those given as an option."""
    models: tuple[str, ...] = ()
    """Bundles named by --model, by name or folder; each takes the place its kind says."""
    config: Path | None = None
    verbosity: int = 0
    """Below 0: only errors. Above 0: what happens inside is logged, from 2 in detail."""

    @property
    def quiet(self) -> bool:
        """Whether progress and summaries are unwanted."""
        return self.verbosity < 0

    def settings(self, **more: object) -> Settings:
        """Settle flags, environment and file; raises SettingsError if one of them is wrong.

        `more` are flags of one command; None means not given.
        """
        from workers.settings import load_settings

        given = {name: value for name, value in more.items() if value is not None}
        _log_as_asked(self.verbosity)
        return load_settings({**self.flags, **self._by_kind(), **given}, config=self.config)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open the database for reading: one snapshot. Raises DatabaseMissing and the like."""
        from storage.database import open_database, session_factory

        engine = open_database(self.settings().database_url, readonly=True)
        try:
            with session_factory(engine)() as session:
                yield session
        finally:
            engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open the database for one transaction, committed at the end if nothing was raised."""
        from storage.database import open_database, session_factory

        url = self.settings().database_url
        open_database(url, readonly=True).dispose()  # raises DatabaseMissing: none is made here
        engine = open_database(url)
        try:
            with session_factory(engine).begin() as session:
                yield session
        finally:
            engine.dispose()

    def _by_kind(self) -> dict[str, str]:
        """Return the models given as settings: detector, recognizer or line_orientation.

        Workers may have another working directory, so a folder is named by its absolute path.
        """
        if not self.models:
            return {}
        from ocr_core.bundle import load_bundle, settled_name

        names = [settled_name(name) for name in self.models]
        return {load_bundle(name).kind: name for name in names}


def _log_as_asked(verbosity: int) -> None:
    from workers.logs import set_up_logs

    set_up_logs({-1: "ERROR", 0: "WARNING", 1: "INFO"}.get(verbosity, "DEBUG"))


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option; one given after the command's name overrides one given before it."""
    if not value:
        return
    invocation = context.ensure_object(Invocation)
    match parameter.name:
        case "config" | "models" as name:
            setattr(invocation, name, value)
        case "verbose":
            invocation.verbosity = value
        case "quiet":
            invocation.verbosity = -1
        case name:
            invocation.flags[str(name)] = value


def _page_ranges(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    from workers.page_selection import PageSelection

    try:
        PageSelection.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error
    _remember(context, parameter, value)


def _option(*names: str, callback: Callable[..., None] = _remember, **rest: Any) -> Any:
    return click.option(*names, callback=callback, expose_value=False, **rest)


_JOBS = click.IntRange(min=1, max=1024)
_ENGINES = click.Choice(["auto", "openvino", "onnxruntime", "torch"])
_CONFIG = click.Path(exists=True, dir_okay=False, path_type=Path)
_BUILDERS = {
    "database": _option(
        "--database", "database_url", metavar="URL", help="Database [sqlite:///pagemill.db]."
    ),
    "broker": _option(
        "--broker", "broker_url", metavar="URL", help="Celery broker [an embedded one]."
    ),
    "bucket": _option("--bucket", metavar="URL", help="Folder or URL the documents lie in."),
    "jobs": _option("-j", "--jobs", type=_JOBS, help="Pages read at the same time [cores]."),
    "pages": _option(
        "--pages", metavar="RANGES", callback=_page_ranges, help="Pages to read, as 1,3-5 [all]."
    ),
    "mode": _option(
        "--mode",
        type=click.Choice(["auto", "skip", "redo"]),
        help="Text layer of a PDF: judge it (auto), use it (skip), ignore it (redo).",
    ),
    "lang": _option("--lang", metavar="CODE", help="Language of the documents [open]."),
    "password": _option(
        "--password", "passwords", multiple=True, help="For protected PDFs; may be repeated."
    ),
    "dpi": _option("--dpi", type=click.FloatRange(36, 1200), help="Resolution of PDF pages."),
    "model": _option(
        "--model",
        "models",
        multiple=True,
        metavar="NAME|FOLDER",
        help="Model bundle; may be repeated.",
    ),
    "engine": _option("--engine", type=_ENGINES, help="Inference engine [auto]."),
    "device": _option("--device", metavar="cpu|cuda", help="Where the networks run [cpu]."),
    "precision": _option("--precision", metavar="auto|fp32|bf16", help="Numbers they use [auto]."),
    "config": _option("--config", type=_CONFIG, help="Settings file [pagemill.toml]."),
    "verbose": _option("-v", "--verbose", count=True, help="Say more; twice: say everything."),
    "quiet": _option("-q", "--quiet", is_flag=True, help="Say only what went wrong."),
}
_ALWAYS = ("config", "verbose", "quiet")
READING = ("pages", "mode", "lang", "password", "dpi", "model", "engine", "device", "precision")
"""Options that decide how a page is read."""
ALL_OPTIONS = tuple(name for name in _BUILDERS if name not in _ALWAYS)


def options(*names: str) -> Callable[[Command], Command]:
    """Add shared options to a command, and those every command has: --config, -v and -q."""

    def decorate(command: Command) -> Command:
        for name in reversed((*names, *_ALWAYS)):
            command = _BUILDERS[name](command)
        return command

    return decorate


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
