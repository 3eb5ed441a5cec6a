"""A stream of the daemon's own before the first of a client.

Some of what a stream needs is imported when it is first used. At a stream's end in mid-service
that may be too late: without a free file descriptor nothing can be imported.
"""

from dfd.detector.spec import ModelSpec
from dfd.detector.traits import traits
from dfd.streaming.options import AudioFormat, SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, Window, WindowStatus


def rehearse(spec: ModelSpec) -> None:
    """Judges two seconds of a hum, from the first sample to the summary."""
    audio = AudioFormat(Encoding.LINEAR16, 8_000, 1)
    session = StreamSession(SessionOptions(audio, traits(spec)))
    events = [*session.feed(b"\x00\x08\x00\xf8" * 8_000), *session.finish()]
    for event in events:
        if isinstance(event, Window):
            session.resolve(event, WindowStatus.INSUFFICIENT_SPEECH)
    session.summary()
