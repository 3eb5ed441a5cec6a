"""What a pipeline tells the RPC that it belongs to, and the response that it becomes."""

from dataclasses import dataclass

from dfd.daemon.scheduling.batching import MemberOutcome
from dfd.daemon.wire.events import Timing, speech_activity, window_result
from dfd.messages import to_message
from dfd.streaming.types import Alert, SpeechActivity, StreamWarning, WindowResult, WindowStatus
from dfd.v1 import detection_pb2 as pb


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

    @property
    def scored(self) -> bool:
        """Whether it is a window that was scored."""
        event = self.event
        return isinstance(event, WindowResult) and event.status is WindowStatus.SCORED

    def response(
        self, config: pb.StreamingDetectConfig, checkpoint: pb.Checkpoint | None
    ) -> pb.StreamingDetectResponse | None:
        """Returns what the client of a stream is sent; None if it does not want to know.

        Args:
            config: what the client asked for.
            checkpoint: goes with a window or an alert, or alone if windows are not wanted.
        """
        event = self.event
        if isinstance(event, WindowResult):
            if config.window_results:
                result = window_result(event, self.timing, self.members)
                return pb.StreamingDetectResponse(window=result, checkpoint=checkpoint)
            return None if checkpoint is None else pb.StreamingDetectResponse(checkpoint=checkpoint)
        if isinstance(event, Alert):
            return pb.StreamingDetectResponse(
                alert=to_message(pb.Alert, event), checkpoint=checkpoint
            )
        if isinstance(event, StreamWarning):
            return pb.StreamingDetectResponse(warning=to_message(pb.Warning, event))
        if config.vad.activity_events:
            return pb.StreamingDetectResponse(speech_activity=speech_activity(event))
        return None
