"""The options with which a verb names a model and overrides its properties."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dfd.detector.overrides import (
    PADDINGS,
    POOLINGS,
    PRECISIONS,
    UTTERANCE_SCORES,
    ModelOverrides,
)

if TYPE_CHECKING:
    from dfd.detector.spec import LoadedModel

_F = TypeVar("_F", bound=Callable[..., Any])

MODEL_HELP = (
    "bundled, a folder, a checkpoint file, a hub id (organisation/model, or"
    " organisation/model@revision), or the name of a model fetched with dfd models pull."
)
WATERMARKS_HELP = (
    "Also look for these watermarks, separated by commas: perth (needs dfd[watermark]),"
    " audioseal=FILE (its authors' detector_base.pth)."
    "  [default: none]"
)
OVERRIDE_NAMES = tuple(field.name for field in fields(ModelOverrides))
LAYOUT_NAMES = ("spoof_label", "normalize", "padding", "pooling", "utterance_score")
_SERVED_NAMES = (*LAYOUT_NAMES, "watermarks")

# What a stream cannot choose.
_LAYOUT = (
    click.option(
        "--spoof-label",
        metavar="LABEL|0|1",
        help="The model's output that means spoof.  [default: taken from its labels]",
    ),
    click.option(
        "--normalize/--no-normalize",
        default=None,
        help="Scale each window to zero mean and unit variance.  [default: as the model does]",
    ),
    click.option(
        "--padding",
        type=click.Choice(PADDINGS),
        help="How to fill a window that is too short: not at all (mask), with zeros, or by"
        " repeating it.  [default: the model's]",
    ),
    click.option(
        "--pooling",
        type=click.Choice(POOLINGS),
        help="How a transformers classifier pools the frames of a window: their mean, or the"
        " maximum of each feature.  [default: mean]",
    ),
    click.option(
        "--utterance-score",
        type=click.Choice(UTTERANCE_SCORES),
        help="How the cumulative score is formed: the sum of calibrated evidence, the mean of the"
        " windows' P(spoof), or the first window's P(spoof).  [default: the model's]",
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
    """Adds the options for properties that a stream's own options do not cover."""
    read = click.option("--watermarks", metavar="SCHEMES", help=WATERMARKS_HELP)
    for option in reversed((*_LAYOUT, read)):
        command = option(command)
    return command


def override_options(command: _F) -> _F:
    """Adds the options that override a model's properties; `model_overrides` reads them."""
    for option in reversed(OVERRIDES):
        command = option(command)
    return command


def model_options(command: _F) -> _F:
    """Adds `--model` and the options that override its properties."""
    option = click.option("--model", default="bundled", show_default=True, help=MODEL_HELP)
    return option(override_options(command))


def precision_option(default: str) -> Callable[[_F], _F]:
    """Adds `--precision`."""
    return click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default=default,
        show_default=True,
        help="Number format of the model's arithmetic.",
    )


def fuse_option(command: _F) -> _F:
    """Adds `--fuse`; `load_judge` reads it."""
    return click.option(
        "--fuse",
        metavar="A+B",
        help="Score with several models together, instead of --model: their calibrated LLRs are"
        " added, with the weights in one of their cards (dfd calibrate --fuse) or equal ones.",
    )(command)


def load_judge(model: str, fuse: str | None, load: Callable[[str], "LoadedModel"]) -> "LoadedModel":
    """Loads what recordings are scored with: one model, or several together.

    Raises:
        UserError: if one cannot be loaded, or they cannot be put together.
    """
    if fuse is None:
        return load(model)
    from dfd.detector.fusion import load_fusion

    return load_fusion(fuse, load)


def require_model(model: str) -> None:
    """Finds a model without reading it.

    Raises:
        UserError: if there is none of this name.
    """
    if model in ("", "bundled", "noop") or Path(model).expanduser().exists():
        return
    from dfd.detector.files import hub
    from dfd.detector.files.read import find_model

    if not hub.is_hub_id(model):
        find_model(model)


def serve_arguments(values: dict[str, Any]) -> list[str]:
    """Takes the options of `layout_options` out of a verb's values as `dfd serve` arguments."""
    arguments = []
    for name in _SERVED_NAMES:
        value, flag = values.pop(name), name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            arguments.append(f"--{flag}={value}")
    return arguments


def model_overrides(values: dict[str, Any]) -> ModelOverrides:
    """Takes the overrides out of a verb's values.

    Raises:
        UserError: if one is impossible.
    """
    return ModelOverrides(**{name: values.pop(name) for name in OVERRIDE_NAMES})
