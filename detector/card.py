"""`dfd.json` beside the weights: what only the one who trained a model knows of it."""

import logging
from dataclasses import dataclass
from pathlib import Path

from dfd.detector.jsonfile import Fields, read_object
from dfd.detector.spec import Calibration

FILE_NAME = "dfd.json"
WINDOW_SECONDS = 4
KEYS = frozenset(
    {
        "name",
        "version",
        "sample_rate_hz",
        "window_samples",
        "hop_samples",
        "padding",
        "calibration",
        "evidence_correlation",
        "rolling_threshold",
        "cumulative_threshold",
        "min_speech_seconds",
        "trained_bandwidth_hz",
    }
)

_LOGGER = logging.getLogger("dfd.detector")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model's own window, calibration and thresholds; `ModelSpec` says what each is."""

    name: str
    version: str
    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    padding: str
    calibration: Calibration
    evidence_correlation: float
    rolling_threshold: float
    cumulative_threshold: float
    min_speech_seconds: float
    trained_bandwidth_hz: float


def read_card(
    folder: Path, *, name: str, version: str, sample_rate_hz: int, padding: str
) -> ModelCard:
    """Reads a folder's card; what it does not say, and a missing card, take defaults.

    Args:
        folder: where the weights lie.
        name: default, as are the following three, from the weights' own files.
        version: default.
        sample_rate_hz: default.
        padding: default.

    Raises:
        DetectorError: a field is of the wrong kind or out of range.
    """
    path = folder / FILE_NAME
    fields = Fields(path, read_object(path) if path.exists() else {})
    unknown = sorted(fields.content.keys() - KEYS)
    if unknown:
        _LOGGER.info("%s: %s not known here and ignored", path, ", ".join(unknown))
    rate = fields.integer("sample_rate_hz", sample_rate_hz, 8_000, 48_000)
    window = fields.integer("window_samples", WINDOW_SECONDS * rate, rate // 4, 60 * rate)
    hop = fields.integer("hop_samples", window // 2, 1)
    fields.require(hop <= window, "hop_samples", f"at most window_samples, {window}")
    calibration = fields.nested("calibration")
    scale = calibration.number("scale", 1.0, 0.0, 1e6)
    calibration.require(scale > 0.0, "scale", "above zero, or higher would mean bona fide")
    return ModelCard(
        name=fields.text("name", name),
        version=fields.text("version", version),
        sample_rate_hz=rate,
        window_samples=window,
        hop_samples=hop,
        padding=fields.text("padding", padding, ("mask", "zero")),
        calibration=Calibration(scale, calibration.number("offset", 0.0, -1e6, 1e6)),
        evidence_correlation=fields.number("evidence_correlation", 0.5, 0.0, 1.0),
        rolling_threshold=fields.number("rolling_threshold", 0.8, 1e-6, 1.0),
        cumulative_threshold=fields.number("cumulative_threshold", 0.8, 1e-6, 1.0),
        min_speech_seconds=fields.number(
            "min_speech_seconds", min(0.5, window / rate), 0.0, window / rate
        ),
        trained_bandwidth_hz=fields.number("trained_bandwidth_hz", 3_400.0, 0.0, rate / 2),
    )
