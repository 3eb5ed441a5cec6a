"""Where an option's value came from, so that a message blames the right place."""

import re
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

_CONFIG = "dfd.cli.config"


def read_from(ctx: click.Context, path: Path) -> None:
    """Remembers the file that gives the options' defaults."""
    ctx.meta[_CONFIG] = path


def origin(ctx: click.Context, parameter: click.Parameter) -> str:
    """Returns where a value came from: the flag, the environment variable, or the key and file."""
    name = str(parameter.name)
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.ENVIRONMENT:
        named = parameter.envvar
        if isinstance(named, str):
            return named
        if named:
            return str(next(iter(named)))
        return f"{ctx.auto_envvar_prefix}_{name.upper()}"
    if source is ParameterSource.DEFAULT_MAP and _CONFIG in ctx.meta:
        return f"{key(parameter)} in {ctx.meta[_CONFIG]}"
    return max(parameter.opts, key=len)


def key(parameter: click.Parameter) -> str:
    """Returns an option's key in a TOML file."""
    return max(parameter.opts, key=len).lstrip("-").replace("-", "_")


def blame(ctx: click.Context, error: click.BadParameter) -> None:
    """Makes an error name the environment variable or file of a value instead of an unused flag."""
    found = error.ctx or ctx
    if error.param is None:
        return
    source = found.get_parameter_source(str(error.param.name))
    if source in (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP):
        error.param_hint = origin(found, error.param)


def with_origins(ctx: click.Context, message: str) -> str:
    """Adds to a message where the values that it is about came from, unless from flags."""
    origins = [
        origin(ctx, parameter)
        for parameter in ctx.command.params
        if ctx.get_parameter_source(str(parameter.name))
        in (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
        and _is_about(message, parameter, ctx.params.get(str(parameter.name)))
    ]
    origins = [one for one in origins if one not in message]
    return f"{message} (set by {' and '.join(origins)})" if origins else message


def _is_about(message: str, parameter: click.Parameter, value: Any) -> bool:
    flags = [flag for flag in (*parameter.opts, *parameter.secondary_opts) if flag.startswith("-")]
    spoken = str(parameter.name).replace("_", " ")
    if any(_holds(message, word) for word in (*flags, spoken)):
        return True
    values = value if isinstance(value, tuple) else (value,)
    # a number says too little by itself
    return any(isinstance(one, (str, Path)) and _holds(message, str(one)) for one in values)


def _holds(message: str, word: str) -> bool:
    return bool(word) and bool(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", message))
