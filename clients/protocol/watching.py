"""Converts the contract's responses to a watcher to the client's types."""

from datetime import UTC

from dfd.clients import watching
from dfd.clients.audio import AudioFormat
from dfd.clients.protocol import wire
from dfd.v1 import detection_pb2 as pb


def update(message: pb.WatchStreamsResponse) -> watching.StreamsUpdate:
    """Converts one response."""
    return watching.StreamsUpdate(message.snapshot, tuple(_stream(one) for one in message.streams))


def _stream(message: pb.WatchedStream) -> watching.WatchedStream:
    audio, encoding = message.audio_format, wire.encoding(message.audio_format.encoding)
    audio_format = None
    if encoding is not None:
        audio_format = AudioFormat(encoding, audio.sample_rate_hertz, audio.channel_count)
    return watching.WatchedStream(
        key=message.key,
        stream_id=message.stream_id,
        labels=dict(message.labels),
        peer=message.peer,
        started_at=message.start_time.ToDatetime(UTC),
        audio_format=audio_format,
        alert_policy=wire.policy(message.alert_policy),
        channels=tuple(_channel(one) for one in message.channels),
        end_reason=message.end_reason,
        proto=message,
    )


def _channel(message: pb.WatchedChannel) -> watching.WatchedChannel:
    rolling = message.rolling_score if message.HasField("rolling_score") else None
    return watching.WatchedChannel(
        summary=wire.channel(message.summary),
        rolling_score=None if rolling is None else wire.score(rolling),
        speaking=message.speaking,
        active_alerts=tuple(wire.alert(one) for one in message.active_alerts),
        alerts_raised=message.alerts_raised,
        recent=tuple(_point(one) for one in message.recent),
    )


def _point(message: pb.ScorePoint) -> watching.ScorePoint:
    has = message.HasField
    return watching.ScorePoint(
        end_seconds=wire.seconds(message.end_offset),
        window=message.window_probability if has("window_probability") else None,
        rolling=message.rolling_probability if has("rolling_probability") else None,
        cumulative=message.cumulative_probability if has("cumulative_probability") else None,
    )
