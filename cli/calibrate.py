"""`dfd calibrate`: fits a detector's thresholds and calibration to your own calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfd.cli._errors import PlainVerb
from dfd.cli._model import model_options, model_overrides
from dfd.cli._outputs import OutputFile, json_option, require_folder
from dfd.cli._waiting import Tick, Waits
from dfd.errors import UserError

if TYPE_CHECKING:
    from dfd.evaluation.calibrate import Call, Fitted

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
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--card",
    type=OutputFile(".json"),
    metavar="FILE",
    help="Where to write the card.  [default: beside the checkpoint]",
)
@click.option("--dry-run", is_flag=True, help="Write no card.")
@json_option("what was fitted")
def command(
    people: tuple[Path, ...],
    machines: tuple[Path, ...],
    false_alarms_per_hour: float,
    model: str,
    device: str,
    card: Path | None,
    dry_run: bool,
    as_json: bool,
    **facts: Any,
) -> None:
    """Fit a detector's thresholds and calibration to your own calls.

    Recordings of human speech alone give thresholds for the false alarms that you accept. With
    recordings of synthetic speech as well, a calibration is fitted too, so that evidence adds up
    over a call. The result is written to the model's card and shown with 95 % intervals.
    """
    from dfd.detector import load_detector
    from dfd.evaluation.calibrate import card_fields, fit

    target = None if dry_run else _card_path(model, card)
    human, synthetic = _files(people), _files(machines)
    waits = Waits("calibrate")
    with waits.bar("loading the model"):
        detector = load_detector(
            model,
            device=device,
            batch_buckets=_BATCH_SIZES,
            warm=False,
            overrides=model_overrides(facts),
        )
    with waits.bar("scoring", len(human) + len(synthetic)) as tick:
        heard = [_hear(files, detector, tick) for files in (human, synthetic)]
    with waits.bar("fitting"):
        fitted = fit(heard[0], heard[1], detector.spec, false_alarms_per_hour)
    fields = card_fields(fitted)
    if target is not None:
        _write(target, fields, model)
    if as_json:
        import dataclasses

        click.echo(json.dumps(dataclasses.asdict(fitted)))
        return
    for line in sentences(fitted, false_alarms_per_hour):
        click.echo(line)
    if target is not None:
        click.echo(f"Written to {target}.")


def sentences(fitted: Fitted, wanted: float) -> list[str]:
    """States what was fitted, and what the recordings can and cannot support."""
    found = fitted.threshold
    low, high = found.per_hour
    said = [
        f"{found.calls} human calls, {found.hours:.2f} h: alerts from P(spoof) "
        f"{found.value:.4g}, which {found.alarms} of them reach.",
        f"On such calls expect {low:.2g} to {high:.2g} false alarms an hour, and of "
        f"{found.calls} more calls {found.again[0]} to {found.again[1]} with one (95 %).",
    ]
    if high > wanted:
        said.append(
            f"This does not prove a rate below {wanted:g} an hour: that takes more human calls."
        )
    if fitted.missed is not None and fitted.missed_interval is not None:
        least, most = fitted.missed_interval
        said.append(
            f"Of {fitted.machines} synthetic calls, {fitted.missed:.0%} raise no alert "
            f"({least:.0%} to {most:.0%}, 95 %)."
        )
    if fitted.calibration is None:
        kept = "there are none" if not fitted.machines else f"{fitted.machines} are too few"
        said.append(
            f"No calibration: it also takes synthetic calls, and {kept}. "
            "Scores are combined as before."
        )
    else:
        one, other = fitted.scale_interval, fitted.offset_interval
        assert one is not None
        assert other is not None
        said.append(
            f"Calibration: LLR = {fitted.calibration.scale:.3g} x log-odds "
            f"{fitted.calibration.offset:+.3g} (scale {one[0]:.3g} to {one[1]:.3g}, offset "
            f"{other[0]:+.3g} to {other[1]:+.3g}, 95 %); it holds for synthetic speech like this."
        )
    return said


def _complain(words: str) -> None:
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


def _hear(files: list[Path], detector: Any, tick: Tick) -> list[Call]:
    from dfd.evaluation.calibrate import hear

    calls: list[Call] = []
    for file in files:
        tick(0, file.name)
        calls += hear(str(file), detector, _complain)
        tick(1, file.name)
    return calls


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
