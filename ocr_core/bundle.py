"""Model bundles: weights, graph, charset and every number that belongs to them, as one folder.

    model.json            what it is, and the SHA-256 of every file
    model.onnx            the static graph, enough to read pages without torch
    weights.safetensors   the network's parameters for torch (absent in the built-in bundles)

The built-in bundles stay where they are, inside the rapidocr wheel. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from ocr_core import wheel
from ocr_core.errors import BundleExists, ModelDamaged, ModelMissing, OcrError
from ocr_core.wheel import ModelKind

FORMAT = 1
MANIFEST = "model.json"
GRAPH = "model.onnx"
WEIGHTS = "weights.safetensors"
SEARCH_VARIABLE = "PAGEMILL_MODELS"
"""Environment variable: folders that hold bundle folders, divided like PATH."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model ready to be opened; its files have been verified."""

    name: str
    kind: ModelKind
    architecture: str
    """Which network definition of ocr_core.networks the config belongs to."""
    config: Mapping[str, Any]
    """Fields of the network's config class, as JSON values."""
    charset: tuple[str, ...] | None
    """Characters in class order, the blank (class 0) left out; None if it writes no text."""
    profile: Mapping[str, Any]
    """Numbers of pre- and post-processing that belong to the weights."""
    graph: Path
    weights: Path | None
    """None: the torch network is filled from the published graph (ocr_core.pretrained)."""
    files: Mapping[str, str]
    """SHA-256 of each file, by its name in the bundle folder."""
    origin: str
    """Where the weights come from, and whose they are."""
    license: str
    parent: str | None = None
    """Name and hash of the bundle this one was made from."""
    command: str | None = None
    """The command that made it."""
    metrics: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a model's name is like 'ppocrv6-small-det', got {self.name!r}")
        if self.kind not in get_args(ModelKind):
            raise ValueError(f"kind must be one of {get_args(ModelKind)}, got {self.kind!r}")

    @property
    def sha256(self) -> str:
        """Hash of all that decides what the model answers; name and provenance stay outside."""
        facts = (self.kind, self.architecture, self.config, self.charset, self.profile, self.files)
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def builtin(self) -> bool:
        """Whether it is one of the published models, used where it lies in the wheel."""
        return self.weights is None and self.name in _builtin_names()


def load_bundle(name_or_folder: str | Path, search: Sequence[Path] | None = None) -> Bundle:
    """A built-in bundle, one of the search path by its name, or the one in a folder.

    Raises ModelMissing, or ModelDamaged if a file is not the one that was published.
    """
    if isinstance(name_or_folder, Path) or os.sep in name_or_folder:
        return load_folder(Path(name_or_folder))
    for model in wheel.MODELS:
        if model.name == name_or_folder:
            return _load_builtin(model)
    for folder in search_path() if search is None else search:
        if (folder / name_or_folder / MANIFEST).is_file():
            return load_folder(folder / name_or_folder)
    raise ModelMissing(f"no model is called {name_or_folder!r}")


def settled_name(name_or_folder: str) -> str:
    """What names the same bundle in every process: its name, or its folder's absolute path.

    A folder of the working directory may be named without a separator, unless a model is called so.
    """
    folder = Path(name_or_folder).expanduser()
    if os.sep in name_or_folder:
        return str(folder.absolute())
    known = name_or_folder in _names(search_path())
    return str(folder.absolute()) if not known and (folder / MANIFEST).is_file() else name_or_folder


def load_folder(folder: Path) -> Bundle:
    """Read and verify a bundle folder; raises ModelMissing or ModelDamaged."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise ModelMissing(f"{folder} holds no {MANIFEST}")
    try:
        bundle = _from_manifest(folder, json.loads(manifest.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelDamaged(f"{manifest}: {error}") from error
    for name, expected in bundle.files.items():
        verify(folder / name, expected)
    return bundle


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Write a bundle as a new folder, whole or not at all; raises BundleExists."""
    if folder.exists():
        raise BundleExists(str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle-") as draft:
        for name, source in _sources(bundle).items():
            shutil.copyfile(source, Path(draft) / name)
        text = json.dumps(_to_manifest(bundle), ensure_ascii=False, indent=1)
        (Path(draft) / MANIFEST).write_text(text + "\n", encoding="utf-8")
        load_folder(Path(draft))
        whole = Path(draft) / "whole"
        whole.mkdir(mode=0o755)
        for name in (*_sources(bundle), MANIFEST):
            (Path(draft) / name).rename(whole / name)
        whole.rename(folder)
    return load_folder(folder)


def import_bundle(folder: Path, into: Path | None = None, name: str | None = None) -> Bundle:
    """Verify a bundle folder and copy it into a folder of the search path, under its name.

    Raises BundleExists if another model has the name; the same one again changes nothing.
    """
    bundle = load_folder(folder)
    bundle = bundle if name is None else replace(bundle, name=name)
    if bundle.name in _builtin_names():
        raise BundleExists(f"{bundle.name} is the name of a built-in model")
    target = (search_path()[0] if into is None else into) / bundle.name
    if target.exists() and load_folder(target).sha256 == bundle.sha256:
        return load_folder(target)
    return save_bundle(bundle, target)


def list_bundles(
    search: Sequence[Path] | None = None,
    on_error: Callable[[str, OcrError], None] | None = None,
) -> list[Bundle]:
    """All bundles that can be loaded by name, the built-in ones first.

    A bundle that cannot be loaded is handed to `on_error`; without it, its error is raised.
    """
    bundles = []
    for name in _names(search_path() if search is None else search):
        try:
            bundles.append(load_bundle(name, search))
        except OcrError as error:
            if on_error is None:
                raise
            on_error(name, error)
    return bundles


def describe(bundle: Bundle) -> dict[str, Any]:
    """What a person wants to know of a bundle, as JSON values; the charset as its size."""
    shown = _to_manifest(bundle)
    shown["charset"] = None if bundle.charset is None else len(bundle.charset)
    return {**shown, "sha256": bundle.sha256, "builtin": bundle.builtin, "path": str(bundle.graph)}


def search_path() -> list[Path]:
    """Folders that hold user bundles: PAGEMILL_MODELS, then the user's data folder."""
    listed = os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep)
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return [Path(entry).expanduser() for entry in (*listed, f"{data}/pagemill/models") if entry]


def verify(path: Path, expected: str) -> None:
    """Raise ModelMissing or ModelDamaged unless the file has this SHA-256."""
    try:
        actual = file_hash(path)
    except FileNotFoundError as error:
        raise ModelMissing(str(path)) from error
    if actual != expected:
        raise ModelDamaged(f"{path} has SHA-256 {actual}, not {expected}")


def file_hash(path: Path) -> str:
    """SHA-256 of a file; an unchanged file is read once a process."""
    status = path.stat()
    return _sha256(path.resolve(), status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=64)
def _sha256(path: Path, *identity: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_builtin(model: wheel.WheelModel) -> Bundle:
    path = wheel.find(model)
    verify(path, model.sha256)
    return Bundle(
        name=model.name,
        kind=model.kind,
        architecture=model.architecture,
        config=model.config,
        charset=_builtin_charset(model, path) if model.charset_sha256 else None,
        profile=model.profile,
        graph=path,
        weights=None,
        files={GRAPH: model.sha256},
        origin=wheel.ORIGIN,
        license=wheel.LICENSE,
        metrics=model.metrics,
    )


def _builtin_charset(model: wheel.WheelModel, path: Path) -> tuple[str, ...]:
    """The dictionary, and the ASCII space that the network knows as its last class."""
    text = wheel.read_dictionary(path)
    if hashlib.sha256(f"{text}\n".encode()).hexdigest() != model.charset_sha256:
        raise ModelDamaged(f"the dictionary of {model.name} is not the published one")
    return (*text.split("\n"), " ")


def _names(search: Sequence[Path]) -> list[str]:
    user = (name for folder in search for name in _bundle_folders(folder))
    return list(dict.fromkeys((*_builtin_names(), *user)))


def _builtin_names() -> list[str]:
    return [model.name for model in wheel.MODELS]


def _bundle_folders(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from sorted(p.name for p in folder.iterdir() if (p / MANIFEST).is_file())


def _sources(bundle: Bundle) -> dict[str, Path]:
    return {GRAPH: bundle.graph} | ({WEIGHTS: bundle.weights} if bundle.weights else {})


_FACTS = ("name", "kind", "architecture", "config", "profile", "files")
_PLAIN = (*_FACTS, "origin", "license", "parent", "command", "metrics")


def _to_manifest(bundle: Bundle) -> dict[str, Any]:
    plain = {field: getattr(bundle, field) for field in _PLAIN}
    return {"format": FORMAT, **plain, "charset": bundle.charset}


def _from_manifest(folder: Path, manifest: Mapping[str, Any]) -> Bundle:
    """Raises ValueError, KeyError or TypeError if the manifest is not one of ours."""
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']} is not {FORMAT}")
    files = manifest["files"]
    if GRAPH not in files or not set(files) <= {GRAPH, WEIGHTS}:
        raise ValueError(f"files must be {GRAPH} and maybe {WEIGHTS}, got {sorted(files)}")
    charset = manifest["charset"]
    return Bundle(
        **{field: manifest[field] for field in _PLAIN},
        charset=None if charset is None else tuple(charset),
        graph=folder / GRAPH,
        weights=folder / WEIGHTS if WEIGHTS in files else None,
    )
