"""What a server says of itself: the models that it serves, and its limits."""

from dataclasses import dataclass, field, fields

from dfd.clients.options import AlertPolicy
from dfd.v1 import detection_pb2 as pb


def _shorten(one: "ErrorRates | Calibration") -> None:
    """Rounds to what float32 on the wire holds: 0.85 must not come back as 0.850000023841858."""
    for each in fields(one):
        object.__setattr__(one, each.name, float(f"{getattr(one, each.name):.7g}"))


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How often a model is wrong on recordings that it was not trained on.

    Attributes:
        threshold: cumulative P(spoof) from which the verdict is spoof.
        false_alarm_rate: share of people who are called a machine.
        miss_rate: share of machines that are not called one.
        heard_seconds: length of the recordings.
    """

    threshold: float
    false_alarm_rate: float
    miss_rate: float
    heard_seconds: float

    def __post_init__(self) -> None:
        _shorten(self)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How raw scores become evidence: a window's LLR is `scale * log_odds + offset`.

    Attributes:
        evidence_correlation: r; n windows of a stream weigh as much as n / (1 + (n - 1) r)
            independent ones.
    """

    scale: float
    offset: float
    evidence_correlation: float

    def __post_init__(self) -> None:
        _shorten(self)


@dataclass(frozen=True, slots=True)
class ModelMember:
    """A model that is part of a fusion or a cascade.

    Attributes:
        weight: weight of its LLR in a fusion; 0 in a cascade.
    """

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as it is served.

    Attributes:
        layout: layout of its checkpoint.
        spoof_label: the output that means spoof, in words.
        normalize: whether each window is scaled to zero mean and unit variance.
        padding: how a short window is filled: "mask" (hidden from the network), "zero" or "repeat".
        utterance_score: how the cumulative score is formed: "evidence", "mean" or "first".
        min_speech_seconds: windows with less speech are not scored.
        error_rates: None if the model's card does not state them.
        calibration: None where an older server does not say.
        members: the models behind a fusion or a cascade.
    """

    name: str
    version: str
    weights_sha256: str
    window_seconds: float
    hop_seconds: float
    sample_rate_hz: int
    device: str
    precision: str
    engine: str
    layout: str
    spoof_label: str
    normalize: bool
    padding: str
    utterance_score: str
    min_speech_seconds: float
    error_rates: ErrorRates | None = None
    calibration: Calibration | None = None
    members: tuple[ModelMember, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """Where a served model stands.

    Attributes:
        active: the model that scores windows now.
        waiting: loaded but not activated; None if there is none.
        previous: what a rollback goes back to; None if there is nothing.
    """

    active: ModelInfo
    waiting: ModelInfo | None
    previous: ModelInfo | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server allows; None means no limit, as do 0 bytes or channels."""

    max_chunk_bytes: int
    idle_timeout_seconds: float | None
    max_stream_seconds: float | None
    max_recording_bytes: int
    max_channel_count: int


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server offers.

    Attributes:
        model_cards: Markdown, in the order of `models`; empty if a model has none.
        watermarks: schemes that are read on every stream.
    """

    version: str
    models: tuple[ModelInfo, ...]
    encodings: tuple[str, ...]
    limits: Limits
    active_streams: int
    max_streams: int
    default_alert_policy: AlertPolicy
    model_cards: tuple[str, ...] = ()
    watermarks: tuple[str, ...] = ()
    proto: pb.GetServerInfoResponse = field(kw_only=True, repr=False, compare=False)
