"""Changes options of a recipe by a TOML or JSON file and by `NAME=VALUE`.

A recipe is a tree of frozen dataclasses. A change names a field by its path: `dropout`, or
`stages.top.epochs` (members of a tuple of dataclasses are found by their `name`). Types are those
of the fields' annotations; the dataclasses check ranges themselves.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from dfd.errors import UserError

T = TypeVar("T")


def override(options: T, changes: Mapping[str, Any], path: str = "") -> T:
    """Returns the options with `changes` (nested by name).

    Raises:
        UserError: if a name is unknown, or a value has the wrong type or is out of range.
    """
    hints = get_type_hints(type(options))
    fields = {field.name for field in dataclasses.fields(cast(Any, options))} - {"name"}
    made: dict[str, Any] = {}
    for name, value in changes.items():
        where = f"{path}{name}"
        if name not in fields:
            raise UserError(f"no option {where}; choose from: {', '.join(sorted(fields))}")
        present = getattr(options, name)
        if dataclasses.is_dataclass(present):
            made[name] = override(present, _table(value, where), f"{where}.")
        elif isinstance(present, tuple) and present and dataclasses.is_dataclass(present[0]):
            made[name] = _members(present, _table(value, where), where)
        else:
            made[name] = _fit(value, hints[name], where)
    try:
        return cast(T, dataclasses.replace(cast(Any, options), **made))
    except ValueError as error:
        raise UserError(f"{path}{error}") from None


def read_changes(file: Path | None, settings: Sequence[str]) -> dict[str, Any]:
    """Reads the changes of an options file (`.toml` or `.json`), then those of `NAME=VALUE`.

    Raises:
        UserError: if the file or a setting cannot be read.
    """
    changes: dict[str, Any] = {} if file is None else _read(file)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise UserError(f"{setting!r} is not NAME=VALUE")
        *groups, last = name.strip().split(".")
        table = changes
        for group in groups:
            table = table.setdefault(group, {})
            if not isinstance(table, dict):
                raise UserError(f"{name}: {group} is a value, not a group of options")
        table[last] = _value(text.strip())
    return changes


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UserError(f"cannot read the options {file}: {error.strerror}") from None
    except ValueError as error:
        kind = "JSON" if file.suffix == ".json" else "TOML"
        raise UserError(f"{file} is not {kind}: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file} does not contain a table of options")
    return content


def _value(text: str) -> Any:
    """Reads a TOML value; a text that is not one stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where} is a group of options: name one of them, as {where}.NAME")
    return value


def _members(present: tuple[Any, ...], changes: Mapping[str, Any], where: str) -> tuple[Any, ...]:
    names = [member.name for member in present]
    for name in changes:
        if name not in names:
            raise UserError(f"no {where}.{name}; choose from: {', '.join(names)}")
    return tuple(
        override(member, _table(changes.get(member.name, {}), where), f"{where}.{member.name}.")
        for member in present
    )


def _fit(value: Any, hint: Any, where: str) -> Any:
    fitted = _fitted(value, hint)
    if fitted is _UNFIT:
        raise UserError(f"{where} is {value!r}; it must be {_words(hint)}")
    return fitted


_UNFIT = object()


def _fitted(value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        tries = (_fitted(value, one) for one in get_args(hint))
        return next((made for made in tries if made is not _UNFIT), _UNFIT)
    if origin is Literal:
        return value if value in get_args(hint) else _UNFIT
    if origin is tuple:
        return _fitted_tuple(value, get_args(hint))
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is bool or isinstance(value, bool):
        return value if hint is bool and isinstance(value, bool) else _UNFIT
    return value if isinstance(value, hint) else _UNFIT


def _fitted_tuple(value: Any, kinds: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        return _UNFIT
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        return _UNFIT
    made = tuple(_fitted(one, kind) for one, kind in zip(value, kinds, strict=True))
    return _UNFIT if any(one is _UNFIT for one in made) else made


def _words(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(one) for one in arguments)
    if origin is Literal:
        return " or ".join(repr(one) for one in arguments)
    if origin is tuple:
        kind = _words(arguments[0])
        return f"a list of {kind}" if arguments[-1] is Ellipsis else f"a list of {len(arguments)}"
    known = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return known.get(hint, str(hint))
