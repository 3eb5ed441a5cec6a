"""What a caller may ask of a stream, of a connection and of the retries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class VadEngine(StrEnum):
    """The detector of voice activity."""

    WEBRTC = "webrtc"
    SILERO = "silero"


@dataclass(frozen=True, slots=True, kw_only=True)
class VadOptions:
    """Voice activity detection; None takes the server's default.

    Attributes:
        aggressiveness: WebRTC only, 0 (keeps most) to 3 (drops most).
        speech_threshold: Silero only, in (0, 1).
        hangover_seconds: speech goes on for this long after its last frame.
        min_speech_seconds: a window with less speech is not scored.
        activity_events: tell `SpeechActivity`.
    """

    engine: VadEngine | None = None
    aggressiveness: int | None = None
    speech_threshold: float | None = None
    hangover_seconds: float | None = None
    min_speech_seconds: float | None = None
    activity_events: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """When a stream alerts; None takes the server's default.

    Attributes:
        rolling_threshold, cumulative_threshold: spoof probabilities in (0, 1].
        hysteresis: an alert is cleared below threshold minus this, in [0, 1).
        consecutive_windows: scored windows in a row before the state changes.
        cooldown_seconds: no new alert of the same trigger for so long after clearing.
    """

    rolling_threshold: float | None = None
    cumulative_threshold: float | None = None
    hysteresis: float | None = None
    consecutive_windows: int | None = None
    cooldown_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What a stream is and how it is judged; everything may be left out.

    Attributes:
        stream_id: made by the client where empty; kept through reconnections.
        model: empty is the server's default.
        labels: free text for the server's log, such as a call id.
        channels: the channels to judge, from 0; empty is all.
        window_results: False gives only alerts, warnings and the summary.
        window_seconds, hop_seconds: None is the model's own.
    """

    stream_id: str = ""
    model: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[int, ...] = ()
    window_results: bool = True
    window_seconds: float | None = None
    hop_seconds: float | None = None
    vad: VadOptions | None = None
    alert_policy: AlertPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a lost or full server is tried again.

    Attributes:
        connect_seconds: how long the first connection is tried; 0 tries once.
        reconnect_seconds: how long a stream that lost its server is tried again.
        max_attempts: attempts in a row; None bounds them by time only.
        first_delay_seconds, max_delay_seconds: the delay doubles from one to the other; each
            is drawn from its upper half, and is never shorter than the server's `RetryInfo`.
        answer_seconds: a server that leaves the first message unanswered for so long is lost.
        summary_seconds: a server that says nothing for so long after the last audio is lost.
        stall_seconds: a server that takes no audio of a live stream for so long is lost.
    """

    connect_seconds: float = 10.0
    reconnect_seconds: float = 60.0
    max_attempts: int | None = None
    first_delay_seconds: float = 0.2
    max_delay_seconds: float = 5.0
    answer_seconds: float = 10.0
    summary_seconds: float = 75.0
    stall_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the server is and how it is spoken to.

    Without a word on TLS, loopback addresses are spoken to in the clear and all others by
    TLS with the system's authorities.

    Attributes:
        server: "host:port".
        token: sent as a bearer token in the metadata; None sends none.
        tls_ca: PEM file of the authority to trust; asks for TLS.
        tls_cert, tls_key: PEM files by which the client shows who it is; ask for TLS.
        insecure: never TLS, wherever the server is.
    """

    server: str = "localhost:50051"
    token: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
