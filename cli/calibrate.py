"""`dfd calibrate`: fits a detector, or the weights of a fusion, to your own calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dfd.cli._errors import PlainVerb
from dfd.cli._fitted import alarms, sentences
from dfd.cli._model import model_options, model_overrides
from dfd.cli._outputs import OutputFile, json_option, require_folder
from dfd.cli._waiting import Waits
from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.detector import Detector
    from dfd.detector.spec import ModelSpec
    from dfd.evaluation.calibrate import Fitted
    from dfd.evaluation.fuse import FittedFusion

    _Load = Callable[[str], Detector]

_Scored = TypeVar("_Scored")
_Sides = tuple[list[Path], list[Path]]

_SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".mka", ".webm", ".au", ".aiff")
)
_PATH = click.Path(exists=True, path_type=Path)
_BATCH_SIZES = tuple(range(1, 17))


@click.command(
    "calibrate",
    cls=PlainVerb,
    examples=(
        "dfd calibrate --model AASIST.pth --people calls/people",
        "dfd calibrate --model AASIST.pth --people people --machines machines",
        "dfd calibrate --fuse bundled+AASIST.pth --people people --machines machines",
    ),
    read_on="docs/which-detector.md",
)
@click.option(
    "--people",
    type=_PATH,
    multiple=True,
    required=True,
    help="A recording of human speech, or a folder of them. May be repeated.",
)
@click.option(
    "--machines",
    type=_PATH,
    multiple=True,
    help="A recording of synthetic speech, or a folder of them. May be repeated.",
)
@click.option(
    "--false-alarms-per-hour",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Acceptable number of false alerts per hour of human speech.",
)
@model_options
@click.option(
    "--fuse",
    metavar="A+B",
    help="Fit the weights of these calibrated models together, and the threshold of their sum,"
    " instead of --model.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--card",
    type=OutputFile(".json"),
    metavar="FILE",
    help="Where to write the card.  [default: beside the checkpoint; of a fusion, the first that"
    " is a file or folder]",
)
@click.option("--dry-run", is_flag=True, help="Write no card.")
@json_option("the fitted values as JSON")
def command(
    people: tuple[Path, ...],
    machines: tuple[Path, ...],
    false_alarms_per_hour: float,
    model: str,
    fuse: str | None,
    device: str,
    card: Path | None,
    dry_run: bool,
    as_json: bool,
    **facts: Any,
) -> None:
    """Fit a detector's thresholds and calibration to your own calls.

    Recordings of human speech alone give thresholds for the false alarms that you accept. With
    recordings of synthetic speech as well, a calibration is fitted too, so that evidence adds up
    over a call. The result is written to the model's card and shown with 95 % intervals. --fuse
    needs both kinds, and writes the weights of all its models to the card of one of them.
    """
    import dataclasses

    from dfd.detector import load_detector

    where = model if fuse is None else _own(fuse)
    target = None if dry_run else _card_path(where, card)
    files = (_files(people), _files(machines))
    overrides = model_overrides(facts)

    def load(name: str) -> Detector:
        return load_detector(
            name, device=device, batch_buckets=_BATCH_SIZES, warm=False, overrides=overrides
        )

    if fuse is None:
        fitted = _fit_one(model, load, files, false_alarms_per_hour)
    else:
        fitted = _fit_fusion(fuse, load, files, false_alarms_per_hour)
    if target is not None:
        _write(target, fitted.fields, where)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(fitted.found)))
        return
    for line in fitted.lines:
        click.echo(line)
    if target is not None:
        click.echo(f"Written to {target}.")


@dataclass(frozen=True)
class _Outcome:
    """What was fitted: as data, as fields of a card, and in words."""

    found: Fitted | FittedFusion
    fields: dict[str, Any]
    lines: list[str]


def _fit_one(model: str, load: _Load, files: _Sides, wanted: float) -> _Outcome:
    """Fits thresholds, and a calibration where it can."""
    from dfd.evaluation.calibrate import card_fields, fit, score_calls

    waits = Waits("calibrate")
    with waits.bar("loading the model"):
        detector = load(model)
    people, machines = _score(
        files, partial(score_calls, detector=detector, on_finding=_warn), waits
    )
    with waits.bar("fitting"):
        fitted = fit(people, machines, detector.spec, wanted)
    return _Outcome(fitted, card_fields(fitted), sentences(fitted, wanted))


def _fit_fusion(models: str, load: _Load, files: _Sides, wanted: float) -> _Outcome:
    """Fits the weights of models that are calibrated, and the threshold of their sum."""
    from dfd.detector.fusion import load_fusion
    from dfd.evaluation.fuse import fit_weights, fusion_fields, require_calibrated, score_members

    waits = Waits("calibrate")
    specs: list[ModelSpec] = []

    def checked(name: str) -> Detector:
        detector = load(name)
        specs.append(detector.spec)
        return detector

    with waits.bar("loading the models"):
        fused = load_fusion(models, checked)
        require_calibrated(specs)
    people, machines = _score(
        files, partial(score_members, detector=fused, on_finding=_warn), waits
    )
    with waits.bar("fitting"):
        fitted = fit_weights(people, machines, fused.spec, wanted)
    counted = ", ".join(
        f"{name} {weight:.3g} ({fitted.intervals[name][0]:.3g} to {fitted.intervals[name][1]:.3g})"
        for name, weight in fitted.weights.items()
    )
    lines = [f"Weights: {counted}, 95 %.", *alarms(fitted.judged, wanted)]
    return _Outcome(fitted, fusion_fields(fitted), lines)


def _warn(words: str) -> None:
    click.echo(f"dfd calibrate: {words}", err=True)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """Returns the recordings that paths name; a folder is all recordings below it."""
    files: list[Path] = []
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted(one for one in path.rglob("*") if one.suffix.lower() in _SUFFIXES)
        if not found:
            raise UserError(f"{path} holds no recordings")
        files += found
    return files


def _score(
    files: _Sides, score: Callable[[str], list[_Scored]], waits: Waits
) -> list[list[_Scored]]:
    """Returns the scored calls of people and of machines."""
    with waits.bar("scoring", sum(map(len, files))) as tick:
        sides: list[list[_Scored]] = []
        for side in files:
            calls: list[_Scored] = []
            for file in side:
                tick(0, file.name)
                calls += score(str(file))
                tick(1, file.name)
            sides.append(calls)
    return sides


def _own(fuse: str) -> str:
    """Returns the model of a fusion whose card gets the weights."""
    from dfd.detector.files.bundled import BUNDLED
    from dfd.detector.fusion import terms

    models = terms(fuse)
    existing = next((name for name in models if Path(name).expanduser().exists()), None)
    return existing or next((name for name in models if name != BUNDLED), models[0])


def _card_path(model: str, card: Path | None) -> Path:
    """Returns where the card goes.

    Raises:
        UserError: if the model is not one of the user's own files.
    """
    from dfd.detector.files.card import FILE_NAME, own_card_path

    if card is not None:
        return card
    weights = Path(model).expanduser()
    if not weights.exists():
        raise UserError(
            f"{model} is not a file or folder of yours: copy it to one and name that, or say with "
            "--card where the card goes"
        )
    target = weights / FILE_NAME if weights.is_dir() else own_card_path(weights)
    require_folder(target.parent, 1 << 20)
    return target


def _write(target: Path, fields: dict[str, Any], model: str) -> None:
    """Writes the card, replacing these fields of an existing one."""
    from dfd.detector.files.card import card_path
    from dfd.detector.jsonfile import read_object

    weights = Path(model).expanduser()
    old = card_path(weights) if weights.exists() else target
    content = read_object(old) if old.exists() else {}
    try:
        target.write_text(json.dumps(content | fields, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from None
