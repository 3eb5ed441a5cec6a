"""`dfd.json` next to the weights: what only the model's trainer knows about it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from dfd.detector.jsonfile import Fields, read_object
from dfd.detector.overrides import PADDINGS, UTTERANCE_SCORES, ModelOverrides
from dfd.detector.spec import Calibration, ErrorRates, FusionSpec, MemberSpec
from dfd.errors import UserError

FILE_NAME = "dfd.json"
TEXT_NAME = "README.md"
_MAX_TEXT_CHARACTERS = 1 << 16
KEYS = frozenset(
    {
        "name",
        "version",
        "sample_rate_hz",
        "window_samples",
        "hop_samples",
        "normalize",
        "padding",
        "spoof_label",
        "calibration",
        "utterance_score",
        "evidence_correlation",
        "rolling_threshold",
        "cumulative_threshold",
        "min_speech_seconds",
        "trained_bandwidth_hz",
        "error_rates",
        "calibrated_on",
        "fusion",
        "int8",
    }
)

_LOGGER = logging.getLogger("dfd.detector")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardDefaults:
    """Defaults where a card says nothing: the conventions of the authors of such models.

    Attributes:
        window_seconds: length of a window; the hop is half of it.
        normalize, padding, utterance_score: see `ModelOverrides`.
        threshold: value of both thresholds.
        min_speech_seconds: limited to the window.
    """

    window_seconds: float = 4.0
    normalize: bool = False
    padding: str = "zero"
    utterance_score: str = "mean"
    threshold: float = 0.5
    min_speech_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model's own window, calibration and thresholds; `ModelSpec` describes each field.

    `spoof_label` is the output that means spoof, by label or number; None if the card leaves it to
    the model's other files. `text` is the card for people, in Markdown. `int8` says that its
    figures were measured in int8 too; `auto` then uses it on CPUs that have instructions for it.
    """

    name: str
    version: str
    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    normalize: bool
    padding: str
    spoof_label: str | None
    calibration: Calibration
    utterance_score: str
    evidence_correlation: float
    rolling_threshold: float
    cumulative_threshold: float
    min_speech_seconds: float
    trained_bandwidth_hz: float
    error_rates: ErrorRates | None = None
    text: str = ""
    fusion: FusionSpec | None = None
    int8: bool = False


def card_path(weights: Path) -> Path:
    """Returns the path of a model's card: in its folder, or next to a single file."""
    if weights.is_dir():
        return weights / FILE_NAME
    own = own_card_path(weights)
    return own if own.exists() else weights.parent / FILE_NAME


def own_card_path(weights: Path) -> Path:
    """Returns the path of the card that belongs to a single file alone."""
    return weights.with_name(f"{weights.stem}.{FILE_NAME}")


def read_card(
    weights: Path,
    *,
    name: str,
    version: str,
    sample_rate_hz: int,
    defaults: CardDefaults,
    overrides: ModelOverrides,
) -> ModelCard:
    """Reads a model's card; missing values, or a missing card, get defaults.

    A calibrated model's LLRs may be added up, so a card with a calibration means the utterance
    score "evidence" where it does not name one.

    Args:
        weights: the folder of the model, or its file.
        name: default from the weights' own files, like the next two.
        version: default.
        sample_rate_hz: default.
        defaults: defaults of the layout.
        overrides: the operator's settings, which take precedence over the card.

    Raises:
        UserError: if a field has the wrong type or is out of range.
    """
    path = card_path(weights)
    folder = path.parent
    fields = Fields(path, read_object(path) if path.exists() else {})
    unknown = sorted(fields.content.keys() - KEYS)
    if unknown:
        _LOGGER.info("%s: unknown fields %s are ignored", path, ", ".join(unknown))
    rate = fields.integer("sample_rate_hz", sample_rate_hz, 8_000, 48_000)
    window, hop = _window(fields, rate, defaults, overrides)
    calibration = fields.nested("calibration")
    scale = calibration.number("scale", 1.0, 0.0, 1e6)
    calibration.require(scale > 0.0, "scale", "above zero: a higher score must mean spoof")
    utterance = "evidence" if calibration.content else defaults.utterance_score
    return ModelCard(
        name=fields.text("name", name),
        version=fields.text("version", version),
        sample_rate_hz=rate,
        window_samples=window,
        hop_samples=hop,
        normalize=_first(overrides.normalize, fields.flag("normalize", defaults.normalize)),
        padding=overrides.padding or fields.text("padding", defaults.padding, PADDINGS),
        spoof_label=overrides.spoof_label or _label(fields),
        calibration=Calibration(scale, calibration.number("offset", 0.0, -1e6, 1e6)),
        utterance_score=overrides.utterance_score
        or fields.text("utterance_score", utterance, UTTERANCE_SCORES),
        evidence_correlation=fields.number("evidence_correlation", 0.5, 0.0, 1.0),
        rolling_threshold=overrides.alert_threshold
        or fields.number("rolling_threshold", defaults.threshold, 1e-6, 1.0),
        cumulative_threshold=overrides.alert_threshold
        or fields.number("cumulative_threshold", defaults.threshold, 1e-6, 1.0),
        min_speech_seconds=_min_speech(fields, window / rate, defaults, overrides),
        trained_bandwidth_hz=fields.number("trained_bandwidth_hz", 3_400.0, 0.0, rate / 2),
        error_rates=_error_rates(fields),
        text=_text(folder),
        fusion=_fusion(fields, overrides),
        int8=fields.flag("int8", False),
    )


def _fusion(fields: Fields, overrides: ModelOverrides) -> FusionSpec | None:
    fusion = fields.nested("fusion")
    if not fusion.content:
        return None
    weights = fusion.nested("weights")
    given = [MemberSpec(name, weights.number(name, 0.0, 0.0, 1e3)) for name in weights.content]
    some = len(given) > 1 and sum(one.weight for one in given) > 0.0
    fusion.require(some, "weights", "a weight for each of several models, not all of them 0")
    threshold = overrides.alert_threshold
    if threshold is None and "threshold" in fusion.content:
        threshold = fusion.number("threshold", 0.5, 1e-6, 1.0)
    return FusionSpec(tuple(given), threshold)


def _error_rates(fields: Fields) -> ErrorRates | None:
    rates = fields.nested("error_rates")
    if not rates.content:
        return None
    for key in ("threshold", "false_alarm_rate", "miss_rate", "seconds"):
        rates.require(key in rates.content, key, "given, as the other error rates are")
    return ErrorRates(
        threshold=rates.number("threshold", 0.5, 0.0, 1.0),
        false_alarm_rate=rates.number("false_alarm_rate", 0.0, 0.0, 1.0),
        miss_rate=rates.number("miss_rate", 0.0, 0.0, 1.0),
        heard_seconds=rates.number("seconds", 0.0, 0.0, 1e6),
    )


def _text(folder: Path) -> str:
    """Reads the README next to the weights, without the hub's front matter."""
    try:
        with (folder / TEXT_NAME).open(encoding="utf-8") as file:
            text = file.read(_MAX_TEXT_CHARACTERS)
    except (OSError, UnicodeDecodeError):
        return ""
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    return text.strip()


def _first(wanted: bool | None, otherwise: bool) -> bool:
    return otherwise if wanted is None else wanted


def _label(fields: Fields) -> str | None:
    """Reads the label or number of the spoof output."""
    value = fields.content.get("spoof_label")
    named = isinstance(value, str | int) and not isinstance(value, bool) and str(value) != ""
    fields.require(value is None or named, "spoof_label", "a label, 0 or 1")
    return None if value is None else str(value)


def _window(
    fields: Fields, rate: int, defaults: CardDefaults, overrides: ModelOverrides
) -> tuple[int, int]:
    """Returns window and hop in samples."""
    usual = round(defaults.window_seconds * rate)
    window = fields.integer("window_samples", usual, rate // 4, 60 * rate)
    hop = fields.integer("hop_samples", max(1, window // 2), 1)
    fields.require(hop <= window, "hop_samples", f"at most window_samples, {window}")
    if overrides.window_seconds is not None:
        own = window
        window = round(overrides.window_seconds * rate)
        hop = max(1, round(hop * window / own))
    if overrides.hop_seconds is not None:
        hop = max(1, round(overrides.hop_seconds * rate))
        if hop > window:
            raise UserError(
                f"the model's hop is {overrides.hop_seconds:g} s; "
                f"use at most its window, {window / rate:g} s"
            )
    return window, hop


def _min_speech(
    fields: Fields, window_seconds: float, defaults: CardDefaults, overrides: ModelOverrides
) -> float:
    own = fields.number(
        "min_speech_seconds", min(defaults.min_speech_seconds, window_seconds), 0.0, 60.0
    )
    fields.require(
        own <= window_seconds or overrides.window_seconds is not None,
        "min_speech_seconds",
        f"at most the window, {window_seconds:g} s",
    )
    wanted = overrides.min_speech_seconds
    if wanted is not None and wanted > window_seconds:
        raise UserError(
            f"the minimum speech of a window is {wanted:g} s; use at most the window, "
            f"{window_seconds:g} s"
        )
    return min(own, window_seconds) if wanted is None else wanted
