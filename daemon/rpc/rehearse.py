"""A rehearsal stream that the daemon runs before the first client's.

Some modules are imported only when a stream first needs them, and without a free file descriptor
nothing can be imported any more.
"""

from dfd.detector.spec import ModelSpec
from dfd.detector.traits import traits
from dfd.streaming.options import AudioFormat, SessionOptions
from dfd.streaming.session import StreamSession
from dfd.streaming.types import Encoding, Window, WindowStatus


def rehearse(spec: ModelSpec) -> None:
    """Scores two seconds of a hum, from the first sample to the summary."""
    audio = AudioFormat(Encoding.LINEAR16, 8_000, 1)
    session = StreamSession(SessionOptions(audio, traits(spec)))
    events = [*session.feed(b"\x00\x08\x00\xf8" * 8_000), *session.finish()]
    for event in events:
        if isinstance(event, Window):
            session.resolve(event, WindowStatus.INSUFFICIENT_SPEECH)
    session.summary()
