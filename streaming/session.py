"""One stream: audio of every channel in, windows and events out, scores back in."""

from collections.abc import Callable

from dfd.streaming.options import SessionOptions
from dfd.streaming.types import (
    ChannelSummary,
    FeedEvent,
    ResolveEvent,
    Window,
    WindowStatus,
)
from dfd.streaming.vad import Vad


class StreamSession:
    """Composes the core for one stream; not safe for use by several threads at once.

    Args:
        options: what the stream is and how it is judged.
        make_vad: makes the voice activity detector of one track; None makes the one
            that `options.vad` names.

    Raises:
        StreamError: by `feed`, for a partial frame, a non-finite sample or an offset
            that runs backwards.
    """

    def __init__(
        self, options: SessionOptions, make_vad: Callable[[], Vad] | None = None
    ) -> None: ...

    def feed(self, content: bytes, sample_offset: int | None = None) -> list[FeedEvent]:
        """Takes whole interleaved frames in the declared format.

        Args:
            content: the bytes of the frames; may be empty.
            sample_offset: position of the first frame, in frames of the declared rate.

        Returns:
            Windows (in order within a channel), speech activity and warnings that the
            audio made due. Every window must be given to `resolve` once, in the order
            of its channel.
        """

    def finish(self) -> list[FeedEvent]:
        """Ends the audio: flushes the resampler and gives each track's last partial window."""

    def resolve(
        self, window: Window, status: WindowStatus, spoof_llr: float | None = None
    ) -> list[ResolveEvent]:
        """Takes what became of a window.

        Returns:
            The window's result, then the alerts it raised or cleared.
        """

    def summary(self) -> list[ChannelSummary]:
        """What the stream says so far, a channel each."""

    @property
    def audio_seconds(self) -> float:
        """Length of the time line so far, gaps included."""
