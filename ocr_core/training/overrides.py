"""`--set name=value`: a recipe with some of its numbers changed.

loop.lr=0.001      a part of a part, by its path
lr=0.001           the same, as long as only one part of the recipe has a field of this name
loop.clip=none     none, true and false; lists and strings as in JSON
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ocr_core.training.errors import SettingRefused

Recipe = TypeVar("Recipe")

_WORDS: Mapping[str, Any] = {"none": None, "null": None, "true": True, "false": False}


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe after each `name=value`, in their order; raises SettingRefused."""
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise SettingRefused(f"{setting!r} is not name=value")
        recipe = _with(recipe, _path(recipe, name.strip()), name, value.strip())
    return recipe


def setting_names(recipe: Any, prefix: str = "") -> Iterator[str]:
    """The paths of everything that can be set."""
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if is_dataclass(value):
            yield from setting_names(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def setting_value(recipe: Any, name: str) -> Any:
    """The value at a path."""
    for part in name.split("."):
        recipe = getattr(recipe, part)
    return recipe


def _path(recipe: Any, name: str) -> list[str]:
    names = list(setting_names(recipe))
    found = [path for path in names if path == name] or [
        path for path in names if path.endswith(f".{name}")
    ]
    if len(found) == 1:
        return found[0].split(".")
    if found:
        raise SettingRefused(f"{name} may be {', '.join(found)}")
    part = name.split(".")  # a whole part can be left out: mutual=none
    if _reaches(recipe, part):
        return part
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise SettingRefused(f"the recipe has no {name}{hint}")


def _reaches(recipe: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not is_dataclass(recipe) or name not in {field.name for field in fields(recipe)}:
            return False
        recipe = getattr(recipe, name)
    return True


def _with(part: Any, path: Sequence[str], name: str, value: str) -> Any:
    first, *rest = path
    new = _with(getattr(part, first), rest, name, value) if rest else _value(part, first, value)
    try:
        return replace(part, **{first: new})
    except ValueError as error:
        raise SettingRefused(f"{name}={value}: {error}") from error


def _value(part: Any, field: str, value: str) -> Any:
    """A value of the field's type."""
    kind = get_type_hints(type(part))[field]
    parsed = _parsed(value)
    if is_dataclass(getattr(part, field)) and parsed is not None:
        raise SettingRefused(f"{field} has parts; set one of them, or {field}=none")
    for candidate in (parsed, value):
        try:
            return TypeAdapter(kind).validate_python(candidate)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
    raise SettingRefused(f"{field}={value}: {message}")


def _parsed(value: str) -> Any:
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    try:
        return json.loads(value)
    except ValueError:
        return value
