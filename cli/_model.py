"""The options by which a verb names a model and sets facts of it over its own."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from dfd.detector.overrides import PADDINGS, UTTERANCE_SCORES, ModelOverrides

_F = TypeVar("_F", bound=Callable[..., Any])

MODEL_HELP = (
    "bundled, a folder, a checkpoint file, a hub id (organisation/model, or"
    " organisation/model@revision), or a name that dfd models pull fetched."
)
OVERRIDE_NAMES = tuple(field.name for field in fields(ModelOverrides))
LAYOUT_NAMES = ("spoof_label", "normalize", "padding", "utterance_score")

# What a stream cannot choose for itself.
_LAYOUT = (
    click.option(
        "--spoof-label",
        metavar="LABEL|0|1",
        help="The model's output that means spoof.  [default: by its labels]",
    ),
    click.option(
        "--normalize/--no-normalize",
        default=None,
        help="Scale each window to zero mean and unit variance.  [default: as the model does]",
    ),
    click.option(
        "--padding",
        type=click.Choice(PADDINGS),
        help="Score a short window as it is (mask), filled up with zeros, or repeated."
        "  [default: the model's]",
    ),
    click.option(
        "--utterance-score",
        type=click.Choice(UTTERANCE_SCORES),
        help="What the cumulative score is: calibrated evidence added up, the mean of the"
        " windows' P(spoof), or that of the first window.  [default: the model's]",
    ),
)
_DEFAULTS = (
    click.option(
        "--window-seconds",
        type=float,
        metavar="SECONDS",
        help="Length of a window.  [default: the model's]",
    ),
    click.option(
        "--hop-seconds",
        type=float,
        metavar="SECONDS",
        help="Time from one window to the next.  [default: the model's]",
    ),
    click.option(
        "--alert-threshold",
        type=float,
        metavar="P",
        help="P(spoof) that raises an alert and decides the verdict.  [default: the model's]",
    ),
    click.option(
        "--min-speech-seconds",
        type=float,
        metavar="SECONDS",
        help="Skip windows with less speech than this; 0 scores all.  [default: the model's]",
    ),
)


OVERRIDES = (*_DEFAULTS, *_LAYOUT)


def layout_options(command: _F) -> _F:
    """Adds the options for facts that a stream's own options do not cover."""
    for option in reversed(_LAYOUT):
        command = option(command)
    return command


def override_options(command: _F) -> _F:
    """Adds the options that set facts of a model; `model_overrides` reads them."""
    for option in reversed(OVERRIDES):
        command = option(command)
    return command


def model_options(command: _F) -> _F:
    """Adds `--model` and the options that set facts of it."""
    option = click.option("--model", default="bundled", show_default=True, help=MODEL_HELP)
    return option(override_options(command))


def serve_arguments(values: dict[str, Any]) -> list[str]:
    """Takes what `layout_options` adds out of a verb's values, as arguments of `dfd serve`."""
    arguments = []
    for name in LAYOUT_NAMES:
        value, flag = values.pop(name), name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            arguments.append(f"--{flag}={value}")
    return arguments


def model_overrides(values: dict[str, Any]) -> ModelOverrides:
    """Takes the facts out of a verb's values.

    Raises:
        UserError: one is impossible.
    """
    return ModelOverrides(**{name: values.pop(name) for name in OVERRIDE_NAMES})
