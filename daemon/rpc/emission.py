"""What a pipeline tells the RPC that it belongs to."""

from dataclasses import dataclass

from dfd.daemon.scheduling.batching import MemberOutcome
from dfd.daemon.wire.events import Timing
from dfd.streaming.types import Alert, SpeechActivity, StreamWarning, WindowResult


@dataclass(frozen=True, slots=True)
class Emission:
    """An event for the client.

    Attributes:
        timing: timing of a window that was scored.
        arrived_at: when the audio that completed the window arrived.
        settled: whether it is the last event of a window.
        members: outcomes of a window at the members of a fusion or a cascade.
    """

    event: WindowResult | Alert | SpeechActivity | StreamWarning
    timing: Timing | None
    arrived_at: float
    settled: bool = False
    members: tuple[MemberOutcome, ...] = ()
