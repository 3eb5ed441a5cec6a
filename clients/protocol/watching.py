"""Converts the contract's responses to a watcher to the client's types."""

from datetime import UTC

from dfd.clients import watching
from dfd.clients.audio import AudioFormat
from dfd.clients.protocol import wire
from dfd.messages import from_message
from dfd.v1 import detection_pb2 as pb


def update(message: pb.WatchStreamsResponse) -> watching.StreamsUpdate:
    """Converts one response."""
    return watching.StreamsUpdate(message.snapshot, tuple(_stream(one) for one in message.streams))


def _stream(message: pb.WatchedStream) -> watching.WatchedStream:
    known = wire.encoding(message.audio_format.encoding) is not None
    return from_message(
        watching.WatchedStream,
        message,
        started_at=message.start_time.ToDatetime(UTC),
        audio_format=from_message(AudioFormat, message.audio_format) if known else None,
    )
