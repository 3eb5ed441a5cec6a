"""`--config FILE`: a TOML file whose keys are a verb's options, with underscores."""

import difflib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dfd.cli._origins import key, read_from

_F = TypeVar("_F", bound=Callable[..., Any])
_HELP = (
    "TOML file with any of these options: max_calls = 100, on_alert = [...]. Flags take precedence."
)


def config_option(command: _F, text: str = _HELP) -> _F:
    """Adds the option; the command line and the environment take precedence."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read,
        metavar="FILE",
        help=text,
    )(command)


def _read(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"cannot read the configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the configuration {path} is not TOML: {error}") from None
    known = {
        key(one): one
        for one in context.command.params
        if isinstance(one, click.Option) and one is not parameter
    }
    defaults: dict[str, Any] = {}
    for name, value in table.items():
        option = known.get(name)
        if option is None:
            near = difflib.get_close_matches(name, known, n=1)
            what = (
                f"did you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(known))}"
            )
            raise click.UsageError(f"{path}: unknown key {name}; {what}")
        if isinstance(value, dict) or (isinstance(value, list) and not option.multiple):
            raise click.UsageError(f"{path}: {name} must be a plain value")
        if option.multiple and not isinstance(value, list):
            value = [value]
        defaults[str(option.name)] = value
    context.default_map = {**(context.default_map or {}), **defaults}
    read_from(context, path)
