"""The scores that the scripted daemon gives a stream."""

from dataclasses import dataclass

import grpc
import grpc.aio

from dfd.messages import duration
from dfd.v1 import detection_pb2 as pb

WINDOW, HOP = 1.0, 0.5


@dataclass
class Script:
    """The server's behaviour."""

    token: str = ""
    refusals_when_full: int = 0
    retry_seconds: float = 0.1
    max_chunk_bytes: int = 1 << 20
    max_recording_bytes: int = 1 << 22
    read_delay: float = 0.0  # before every read
    drain_after: float | None = None  # seconds of audio, once
    abort_after: float | None = None  # seconds of audio, once
    abort_code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    alert_after: float | None = None
    probability: float = 0.9
    mute: bool = False  # never answers


class Judge:
    """Windows of a second every half second, with scores from the script."""

    def __init__(self, config: pb.StreamingDetectConfig, script: Script) -> None:
        self.config = config
        self.script = script
        width = {1: 2, 2: 1, 3: 1, 4: 4}[config.audio_format.encoding]
        self.frame_bytes = width * config.audio_format.channel_count
        self.rate = config.audio_format.sample_rate_hertz
        self.position = 0
        self.gap = 0
        self.sequence = 0
        self.alerted = False

    @property
    def heard(self) -> float:
        return (self.position - self.gap) / self.rate

    def score(self) -> pb.Score:
        return pb.Score(
            spoof_probability=self.script.probability, spoof_llr=2.0, speech_duration=duration(1.0)
        )

    def feed(self, chunk: pb.AudioChunk) -> list[pb.StreamingDetectResponse]:
        answers = []
        if chunk.HasField("sample_offset"):
            assert chunk.sample_offset >= self.position
            self.gap += chunk.sample_offset - self.position
            self.position = chunk.sample_offset
            missed = int((self.position / self.rate - WINDOW) / HOP) + 1
            self.sequence = max(self.sequence, missed)
        assert len(chunk.content) % self.frame_bytes == 0
        self.position += len(chunk.content) // self.frame_bytes
        while self.position / self.rate >= (end := WINDOW + HOP * self.sequence):
            if self.config.window_results:
                count = self.config.audio_format.channel_count
                answers += [self.window(channel, end) for channel in range(count)]
            self.sequence += 1
            after = self.script.alert_after
            if after is not None and end >= after and not self.alerted:
                self.alerted = True
                answers.append(
                    pb.StreamingDetectResponse(
                        alert=pb.Alert(
                            trigger=pb.Alert.TRIGGER_ROLLING,
                            offset=duration(end),
                            score=self.score(),
                            threshold=0.8,
                        )
                    )
                )
        return answers

    def window(self, channel: int, end: float) -> pb.StreamingDetectResponse:
        return pb.StreamingDetectResponse(
            window=pb.WindowResult(
                channel=channel,
                sequence=self.sequence,
                start_offset=duration(end - WINDOW),
                end_offset=duration(end),
                speech_duration=duration(0.8),
                status=pb.WindowResult.STATUS_SCORED,
                window_score=self.score(),
                rolling_score=self.score(),
                cumulative_score=self.score(),
                timing=pb.Timing(
                    queue_delay=duration(0.002), compute_duration=duration(0.01), batch_size=1
                ),
            )
        )

    def summary(self, reason: pb.StreamSummary.EndReason.ValueType) -> pb.StreamingDetectResponse:
        channels = [
            pb.ChannelSummary(
                channel=channel,
                verdict=pb.VERDICT_SPOOF if self.sequence else pb.VERDICT_INCONCLUSIVE,
                inconclusive_reasons=[] if self.sequence else ["TOO_LITTLE_SPEECH"],
                cumulative_score=self.score() if self.sequence else None,
                mean_spoof_probability=self.script.probability,
                audio_duration=duration(self.position / self.rate),
                speech_duration=duration(0.8 * self.heard),
                gap_duration=duration(self.gap / self.rate),
                windows_scored=self.sequence,
            )
            for channel in range(self.config.audio_format.channel_count)
        ]
        return pb.StreamingDetectResponse(
            summary=pb.StreamSummary(channels=channels, end_reason=reason)
        )
