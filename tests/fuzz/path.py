"""The path of a request through the daemon, as a function of untrusted bytes.

Messages of one stream stand behind one another, each after its length in two bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dfd.daemon.rpc.coalesce import Coalescer, slices
from dfd.daemon.scheduling.noop import NoopDetector
from dfd.daemon.wire import describe, events, requests
from dfd.messages import to_message
from dfd.streaming import types as core
from dfd.streaming.session import StreamSession
from dfd.v1 import detection_pb2 as pb

_SPEC = NoopDetector().spec
_CHANNELS = 2
# of one stream; a gap may last a day, and each day costs the same
_MOST_SECONDS = 600.0
_LENGTH = struct.Struct(">H")


def config(data: bytes) -> None:
    """Handles the first message of a stream, up to the answer `started`."""
    said = requests.parse(pb.StreamingDetectConfig, data)
    requests.check_identity(said)
    options = requests.session_options(said, _SPEC, _CHANNELS)
    describe.effective_config(said, said.stream_id, options, _SPEC).SerializeToString()


def recording(data: bytes) -> None:
    """Handles the message of `Detect`."""
    said = requests.parse(pb.DetectRequest, data)
    options = requests.session_options(said, _SPEC, _CHANNELS)
    session = StreamSession(options)
    for piece in slices(said.audio, 8000, options.audio_format.bytes_per_frame):
        _tell(session, session.feed(piece))
    _end(session)


def stream(data: bytes) -> None:
    """Handles a stream from its configuration to its summary, with each window scored at once."""
    messages = _messages(data)
    first = requests.parse(pb.StreamingDetectRequest, next(messages, b"")).config
    requests.check_identity(first)
    options = requests.session_options(first, _SPEC, _CHANNELS)
    session = StreamSession(options)
    frame = options.audio_format.bytes_per_frame
    coalescer = Coalescer(frame, 640)
    for raw in messages:
        chunk = requests.parse(pb.StreamingDetectRequest, raw).audio
        offset = chunk.sample_offset if chunk.HasField("sample_offset") else None
        if (offset or 0) > _MOST_SECONDS * options.audio_format.sample_rate_hz:
            return
        for content, place in coalescer.push(chunk.content, offset):
            for at, piece in enumerate(slices(content, 8000, frame)):
                _tell(session, session.feed(piece, None if at else place))
    for content, place in coalescer.flush():
        _tell(session, session.feed(content, place))
    _end(session)


def _messages(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + _LENGTH.size <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + size]
        at += size


def _tell(session: StreamSession, found: list[core.FeedEvent]) -> None:
    """Scores the windows, alternately as spoof and bona fide, and builds the responses."""
    for event in found:
        if isinstance(event, core.StreamWarning):
            to_message(pb.Warning, event).SerializeToString()
        elif isinstance(event, core.SpeechActivity):
            events.speech_activity(event).SerializeToString()
        else:
            status, llr = core.WindowStatus.INSUFFICIENT_SPEECH, None
            if event.scoreable:
                status = core.WindowStatus.SCORED
                llr = 9.0 if int(event.end_seconds) % 2 else -9.0
            for told in session.resolve(event, status, llr):
                if isinstance(told, core.Alert):
                    to_message(pb.Alert, told).SerializeToString()
                else:
                    events.window_result(told, None).SerializeToString()


def _end(session: StreamSession) -> None:
    _tell(session, session.finish())
    for channel in session.summary():
        to_message(pb.ChannelSummary, channel).SerializeToString()


def seed_config() -> bytes:
    """Makes a configuration in which everything is set."""
    return _config().SerializeToString()


def seed_recording() -> bytes:
    """Makes two channels of mu-law."""
    said = _config()
    return pb.DetectRequest(
        audio_format=said.audio_format, vad=said.vad, audio=bytes(range(256)) * 8
    ).SerializeToString()


def seed_stream() -> bytes:
    """Makes a second of audio, a gap, and some more audio."""
    hum = b"\x00\x80" * 400
    said = [
        pb.StreamingDetectRequest(config=_config()),
        *(pb.StreamingDetectRequest(audio=pb.AudioChunk(content=hum)) for _ in range(4)),
        pb.StreamingDetectRequest(audio=pb.AudioChunk(content=hum, sample_offset=4000)),
    ]
    raw = [one.SerializeToString() for one in said]
    return b"".join(_LENGTH.pack(len(one)) + one for one in raw)


def _config() -> pb.StreamingDetectConfig:
    policy = pb.AlertPolicy(rolling_threshold=0.7, hysteresis=0.1, consecutive_windows=1)
    policy.cooldown.FromSeconds(1)
    said = pb.StreamingDetectConfig(
        audio_format=pb.AudioFormat(
            encoding=pb.AudioFormat.ENCODING_MULAW, sample_rate_hertz=8000, channel_count=2
        ),
        stream_id="a",
        labels={"queue": "7"},
        channels=[0, 1],
        window_results=True,
        alert_policy=policy,
        vad=pb.VadConfig(aggressiveness=2, activity_events=True),
    )
    said.window_duration.FromMilliseconds(2000)
    said.hop_duration.FromMilliseconds(500)
    said.vad.min_speech_duration.SetInParent()
    said.vad.hangover.FromMilliseconds(100)
    return said
