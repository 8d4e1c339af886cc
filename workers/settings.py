"""What a person can set: flag, then `PAGEMILL_*` environment, then `pagemill.toml`, then default.

The environment is read here and nowhere else; inner code is given values.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ingest.media import Limits
from workers.page_selection import PageSelection

PREFIX = "PAGEMILL_"
CONFIG_FILE = "pagemill.toml"
SETTLED = "PAGEMILL_SETTLED"
"""Settings as JSON, given to a worker process by the process that started it: they are final."""
_OTHER_VARIABLES = {
    "PAGEMILL_CONFIG",
    "PAGEMILL_EVAL_DATA",
    "PAGEMILL_EVAL_SCORE",
    "PAGEMILL_MODELS",
    SETTLED,
}
_LIMITS = Limits()

Lane = Literal["interactive", "normal", "bulk"]


class SettingsError(Exception):
    """A setting is unknown or has a value that cannot be used."""

    code = "wrong_setting"
    advice = "`pagemill --help` and docs/settings.md list every setting."


class Settings(BaseModel):
    """Every setting. A key of `pagemill.toml` is the field's name, a variable PAGEMILL_NAME.

    A plain value: making one reads neither the environment nor a file, `load_settings` does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: str = "sqlite:///pagemill.db"
    broker_url: str | None = None
    """Any Celery broker; None is the embedded one, a SQLite file in the cache folder."""
    bucket: str | None = None
    """Folder or URL that is watched, or read where no other is named."""
    cache_dir: Path = Path(".pagemill")
    """Local copies of documents, and the embedded broker. May be deleted when nothing runs."""
    spool_bytes: int = Field(default=8 * 1024**3, gt=0)
    """Size the local copies may have together; the least used go first."""

    jobs: int = Field(default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, le=1024)
    """Pages that are read at the same time."""
    queue: Literal["cpu", "gpu"] = "cpu"
    lane: Lane = "normal"
    """How soon new documents are read: interactive before normal before bulk."""
    mode: Literal["auto", "skip", "redo"] = "auto"
    """Text layer of a PDF: judge it, take it as it is, or ignore it."""
    pages: str | None = None
    """Pages to read of each document, "1,3-5"; None is all."""
    passwords: tuple[str, ...] = Field(default=(), repr=False)
    """Tried on protected PDFs, in order."""
    dpi: float | None = Field(default=None, ge=36, le=1200)
    """Resolution PDF pages are drawn at; None chooses it for each page."""
    lang: str | None = None
    """Language of the documents, where a model has to be chosen by it; None leaves it open."""

    detector: str = "ppocrv6-small-det"
    recognizer: str = "ppocrv6-small-rec"
    line_orientation: str = "ppocr-mobile-line-orientation"
    engine: Literal["auto", "openvino", "onnxruntime", "torch"] = "auto"
    device: str = "cpu"
    precision: str = "auto"
    threads: int = Field(default=1, ge=1)
    """Threads of one reader; one is best when `jobs` fills the cores."""

    max_bytes: int = Field(default=_LIMITS.max_bytes, gt=0)
    max_pages: int = Field(default=_LIMITS.max_pages, gt=0)
    max_pixels: int = Field(default=_LIMITS.max_pixels, gt=0)
    max_image_pixels: int = Field(default=_LIMITS.max_image_pixels, gt=0)
    memory_bytes: int = Field(default=_LIMITS.memory_bytes, gt=0)
    cpu_seconds: float = Field(default=_LIMITS.cpu_seconds, gt=0)
    cpu_seconds_a_page: float = Field(default=_LIMITS.cpu_seconds_a_page, gt=0)
    wall_seconds: float = Field(default=_LIMITS.wall_seconds, gt=0)
    max_text_bytes: int = Field(default=_LIMITS.max_text_bytes, gt=0)

    log_format: Literal["console", "json"] = "console"
    """How workers write their log: for a person, or one JSON object a line."""

    lease_seconds: float = Field(default=60.0, gt=0)
    """A page whose worker was not heard of for so long is given to another."""
    page_seconds: float = Field(default=300.0, gt=0)
    """A worker that makes no progress on a page for so long is given up."""
    drain_seconds: float = Field(default=20.0, gt=0)
    """A task reads waiting pages for so long before it lets others have a turn."""
    claim_pages: int = Field(default=4, ge=1, le=256)
    """Pages a worker claims at once."""
    worker_memory_mb: int = Field(default=850, gt=0)
    """Resident memory at which a worker is replaced, at the border of a page, MiB."""
    min_free_mb: int = Field(default=200, ge=0)
    """No page is begun when less is free on the disk of the cache folder, MiB."""
    quiet_seconds: float = Field(default=2.0, ge=0)
    """A watched file is complete when it has not changed for so long."""
    scan_seconds: float = Field(default=2.0, gt=0)
    """Time between two listings of a watched bucket."""

    @field_validator("passwords", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        """A variable holds one password; a file or a flag may give several."""
        return (value,) if isinstance(value, str) else value

    @field_validator("pages")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        PageSelection.parse(value)
        return value

    @field_validator("database_url", "broker_url")
    @classmethod
    def _a_url(cls, value: str | None) -> str | None:
        if value is not None and "://" not in value:
            raise ValueError("write a URL such as sqlite:///pagemill.db or redis://localhost/0")
        return value

    @property
    def limits(self) -> Limits:
        """What one document and one page may cost."""
        return Limits(**{name: getattr(self, name) for name in Limits.__dataclass_fields__})

    @property
    def page_selection(self) -> PageSelection:
        """The pages to read of each document."""
        return PageSelection.parse(self.pages)

    @property
    def spool_dir(self) -> Path:
        """Where local copies of documents lie."""
        return self.cache_dir / "spool"

    @property
    def celery_broker(self) -> str:
        """The broker's URL; the embedded one has one file for each database."""
        if self.broker_url is not None:
            return self.broker_url
        name = hashlib.sha256(_absolute(self.database_url).encode()).hexdigest()[:12]
        return f"pagemill+sqlite:///{(self.cache_dir / f'broker-{name}.db').absolute()}"

    def to_environment(self) -> dict[str, str]:
        """The variable that makes `load_settings` in another process return these settings."""
        return {SETTLED: self.model_dump_json()}


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Settle the settings; `flags` holds only what was given.

    `config` (or PAGEMILL_CONFIG) must exist; without it `pagemill.toml` is read where it lies in
    the working directory. Raises SettingsError, which says where the wrong value comes from.
    """
    environment = os.environ if environment is None else environment
    if SETTLED in environment and not flags:
        return Settings.model_validate_json(environment[SETTLED])
    named = config or (
        Path(environment["PAGEMILL_CONFIG"]) if "PAGEMILL_CONFIG" in environment else None
    )
    layers = [
        _Layer(str(named or CONFIG_FILE), "", _read_file(named)),
        _Layer("the environment", PREFIX, _read_environment(environment)),
        _Layer("the command line", "--", dict(flags or {})),
    ]
    return _settle(layers)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Settings of one origin; a later layer wins over an earlier one."""

    origin: str
    prefix: str
    values: Mapping[str, object]

    def name(self, key: str) -> str:
        """The setting as a person writes it there."""
        return {PREFIX: PREFIX + key.upper(), "--": "--" + key.replace("_", "-")}.get(
            self.prefix, key
        )


def _settle(layers: list[_Layer]) -> Settings:
    origin = {key: layer for layer in layers for key in layer.values}
    for key, layer in origin.items():
        _known(key, layer)
    try:
        return Settings.model_validate({key: layer.values[key] for key, layer in origin.items()})
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(dict(e), origin) for e in error.errors())) from None


def _known(key: str, layer: _Layer) -> None:
    if key in Settings.model_fields:
        return
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    hint = f"; did you mean {layer.name(near[0])}?" if near else ""
    raise SettingsError(f"{layer.origin}: {layer.name(key)} is no setting{hint}")


def _sentence(error: Mapping[str, Any], origin: Mapping[str, _Layer]) -> str:
    """What is wrong with one value, without the value: it may be a password."""
    key = str(error["loc"][0])
    layer = origin[key]
    return f"{layer.origin}: {layer.name(key)}: {error['msg']}"


def _read_file(named: Path | None) -> dict[str, object]:
    path = named or Path(CONFIG_FILE)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named is None:
            return {}
        raise SettingsError(f"there is no settings file {named}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None


def _read_environment(environment: Mapping[str, str]) -> dict[str, object]:
    """Our variables; one that is set to nothing counts as not set."""
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in _OTHER_VARIABLES and value
    }


def _absolute(url: str) -> str:
    """A database URL that means the same file in every working directory."""
    prefix, _, path = url.partition(":///")
    if not prefix.startswith("sqlite") or not path:
        return url
    return f"sqlite:///{Path(path).resolve()}"
