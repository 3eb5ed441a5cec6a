"""One stream: audio of every channel in, windows and events out, scores back in."""

from collections.abc import Callable

import numpy as np

from dfd.streaming.judgement.judge import Judge
from dfd.streaming.judgement.watermarks import Reading
from dfd.streaming.options import SessionOptions
from dfd.streaming.samples.decode import decode
from dfd.streaming.samples.resample import Resampler
from dfd.streaming.speech.vad import Vad, make_vad
from dfd.streaming.state import ChannelState, SessionState
from dfd.streaming.track import Track
from dfd.streaming.types import (
    Alert,
    ChannelSummary,
    FeedEvent,
    Reason,
    ResolveEvent,
    Samples,
    StreamError,
    StreamWarning,
    Window,
    WindowStatus,
)

# A chunk positioned further ahead than this is an error, not a gap.
MAX_GAP_SECONDS = 24 * 3600.0
# A lossy call can have a gap every second, so the client gets totals now and then.
_GAP_WARNING_INTERVAL_SECONDS = 10.0


class StreamSession:
    """Composes the core for one stream; not thread-safe.

    Args:
        options: what the stream is and how it is judged.
        new_vad: creates the voice activity detector of one track; None creates the one
            named by `options.vad`.
        keep_state: whether to keep `state` up to date.
        state: state to continue from, of a session with the same options.

    Attributes:
        keeps_state: whether `state` is kept up to date.
        state: what another session needs to continue this stream from the last position that all
            channels have reached; None before any window was resolved.

    Raises:
        ModuleNotFoundError: if the requested detector is not installed.
        ValueError: if the state does not fit these options.
    """

    def __init__(
        self,
        options: SessionOptions,
        new_vad: Callable[[], Vad] | None = None,
        *,
        keep_state: bool = False,
        state: SessionState | None = None,
    ) -> None:
        rate = options.model.sample_rate_hz
        channels = options.effective_channels
        self.options = options
        self._columns = None if len(channels) == options.audio_format.channel_count else channels
        vads = [new_vad() if new_vad else make_vad(options.vad, rate) for _ in channels]
        before = state.channels if state is not None else (None,) * len(channels)
        self._tracks = [
            Track(c, options, v, None if one is None else one.mark)
            for c, v, one in zip(channels, vads, before, strict=True)
        ]
        self._judges = {
            channel: Judge(channel, options, None if one is None else one.judge)
            for channel, one in zip(channels, before, strict=True)
        }
        self.keeps_state = keep_state
        self.state = state
        self._states = {
            channel: {track.mark().next_start: ChannelState(track.mark(), judge.state())}
            for (channel, judge), track in zip(self._judges.items(), self._tracks, strict=True)
        }
        self._resampler = self._new_resampler()
        self._frames_in = 0 if state is None else state.frames
        self._gap_frames = round(
            max(track.gap_seconds for track in self._tracks) * options.audio_format.sample_rate_hz
        )
        self._next_gap_warning_seconds = 0.0
        self._finished = False

    @property
    def audio_seconds(self) -> float:
        """Length of the time line so far, gaps included."""
        return self._frames_in / self.options.audio_format.sample_rate_hz

    @property
    def quiet_frames(self) -> int:
        """Frames that can still arrive before a window may become due, 1 or more.

        A caller that does not need speech activity events loses nothing by holding audio back for
        that long, and saves the cost of many small calls.
        """
        quiet = min(track.quiet_samples for track in self._tracks)
        model, declared = self.options.model, self.options.audio_format
        return -(-quiet * declared.sample_rate_hz // model.sample_rate_hz)

    def feed(self, content: bytes, sample_offset: int | None = None) -> list[FeedEvent]:
        """Takes whole interleaved frames in the declared format.

        Args:
            content: the bytes of the frames; may be empty.
            sample_offset: position of the first frame, in frames of the declared rate.

        Returns:
            Windows (in order within a channel), speech activity and warnings caused by the audio.
            Every window must be passed to `resolve` once, in order within its channel.

        Raises:
            StreamError: with PARTIAL_FRAME, NON_FINITE_SAMPLES, OFFSET_BACKWARD or
                OFFSET_TOO_FAR; the session is then unchanged.
        """
        samples = decode(content, self.options.audio_format)
        events = self._place(sample_offset)
        self._frames_in += len(samples)
        if self._columns is not None:
            samples = samples[:, self._columns]
        events += self._write(self._resampler.push(samples))
        return events

    def finish(self) -> list[FeedEvent]:
        """Ends the audio: flushes the resampler and returns each track's last partial window."""
        if self._finished:
            return []
        self._finished = True
        events = self._flush()
        for track in self._tracks:
            events += track.finish()
        return events

    def resolve(
        self, window: Window, status: WindowStatus, spoof_llr: float | None = None
    ) -> list[ResolveEvent]:
        """Handles the outcome of a window.

        Returns:
            The window's result, then the alerts it raised or cleared.
        """
        judge = self._judges[window.channel]
        events = judge.resolve(window, status, spoof_llr)
        if self.keeps_state and window.mark is not None:
            states = self._states[window.channel]
            states[window.mark.next_start] = ChannelState(window.mark, judge.state())
            self._bring_together()
        return events

    def _bring_together(self) -> None:
        """Sets `state` to the last position on the time line that every channel has reached."""
        common = set.intersection(*(set(states) for states in self._states.values()))
        if not common:
            return
        last = max(common)
        for states in self._states.values():
            for start in [start for start in states if start < last]:
                del states[start]
        channels = tuple(states[last] for states in self._states.values())
        declared, rate = self.options.audio_format, self.options.model.sample_rate_hz
        frames = channels[0].mark.position * declared.sample_rate_hz // rate
        self.state = SessionState(frames, channels)

    def standing_alerts(self) -> list[Alert]:
        """Returns the active alerts of all channels."""
        return [alert for judge in self._judges.values() for alert in judge.standing_alerts]

    def alerts_raised(self) -> dict[int, int]:
        """Returns the number of alerts so far, including cleared ones, by channel."""
        return {channel: judge.alerts_raised for channel, judge in self._judges.items()}

    def wants_read(self, window: Window) -> bool:
        """Returns whether to read a window for watermarks; call it once per window, in order."""
        return self._judges[window.channel].watermarks.wants(window)

    def add_reading(self, window: Window, reading: Reading) -> list[Alert]:
        """Handles the reading of one watermark in a requested window."""
        return self._judges[window.channel].add_reading(window, reading)

    def summary(self) -> list[ChannelSummary]:
        """Returns the summary of each channel so far."""
        return [
            judge.summary(track)
            for judge, track in zip(self._judges.values(), self._tracks, strict=True)
        ]

    def _new_resampler(self) -> Resampler:
        return Resampler(
            self.options.audio_format.sample_rate_hz,
            self.options.model.sample_rate_hz,
            len(self.options.effective_channels),
        )

    def _model_position(self, frames: int) -> int:
        rate = self.options.model.sample_rate_hz
        return frames * rate // self.options.audio_format.sample_rate_hz

    def _place(self, sample_offset: int | None) -> list[FeedEvent]:
        """Moves the time line forward to an offset."""
        if sample_offset is None or sample_offset == self._frames_in:
            return []
        rate = self.options.audio_format.sample_rate_hz
        missing = sample_offset - self._frames_in
        if missing < 0:
            raise StreamError(
                "OFFSET_BACKWARD",
                f"sample_offset is {sample_offset}, but {self._frames_in} frames were already "
                "received; offsets count frames from the start of the stream and never go back",
            )
        if missing > MAX_GAP_SECONDS * rate:
            raise StreamError(
                "OFFSET_TOO_FAR",
                f"sample_offset is {sample_offset}, more than {MAX_GAP_SECONDS / 3600:g} hours "
                f"after the last frame, {self._frames_in}; start a new stream",
            )
        events = self._flush()
        at_seconds = self.audio_seconds
        self._resampler = self._new_resampler()
        self._frames_in = sample_offset
        self._gap_frames += missing
        target = self._model_position(sample_offset)
        for track in self._tracks:
            events += track.skip(target - track.end)
        if at_seconds >= self._next_gap_warning_seconds:
            self._next_gap_warning_seconds = at_seconds + _GAP_WARNING_INTERVAL_SECONDS
            message = (
                f"{missing / rate:.3f} s of audio are missing, "
                f"{self._gap_frames / rate:.3f} s in all so far"
            )
            events.append(StreamWarning(Reason.AUDIO_GAP, message, None, at_seconds))
        return events

    def _flush(self) -> list[FeedEvent]:
        """Flushes the resampler, up to the end of the received audio."""
        rest = self._resampler.flush()
        end = self._model_position(self._frames_in)
        return self._write(rest[: max(0, end - self._tracks[0].end)])

    def _write(self, samples: Samples) -> list[FeedEvent]:
        events: list[FeedEvent] = []
        for column, track in enumerate(self._tracks):
            events += track.write(np.ascontiguousarray(samples[:, column]))
        return events
