"""One channel on its time line: contiguous audio and gaps in, windows out.

Windows lie on a grid of hops that starts at position 0 and are never shifted, so chunking has no
effect. Every decision is made at the end of a voice activity frame.
"""

import math

from dfd.streaming.options import SessionOptions
from dfd.streaming.samples.gaps import GapMap
from dfd.streaming.samples.ring import RingBuffer
from dfd.streaming.speech.activity import SpeechProfile
from dfd.streaming.speech.vad import Vad
from dfd.streaming.types import FeedEvent, Samples, SpeechActivity, TrackMark, Window

# Audio is taken in pieces of at most this, so that the ring holds a window and a piece.
_BLOCK_SECONDS = 0.5
# A window with a larger part lost is not scored, however much speech the rest holds.
_MAX_GAP_FRACTION = 0.5
# A track that continues elsewhere is fed this much audio again before its next window.
_SETTLE_SECONDS = 0.5


class Track:
    """Cuts one channel, at the model's rate, into windows.

    Memory is bounded: the ring holds one window and half a second, whatever the call's
    length.

    Args:
        channel: number of the channel.
        options: options of the session.
        vad: a voice activity detector for this track alone.
        mark: position to continue from, of a track with the same options.
    """

    def __init__(
        self, channel: int, options: SessionOptions, vad: Vad, mark: TrackMark | None = None
    ) -> None:
        self._channel = channel
        self._rate = options.model.sample_rate_hz
        self._window = round(options.effective_window_seconds * self._rate)
        self._hop = round(options.effective_hop_seconds * self._rate)
        self._min_speech = options.effective_min_speech_seconds
        self._vad = vad
        self._frame = vad.frame_samples
        self._block = round(_BLOCK_SECONDS * self._rate)
        capacity = self._window + self._block + self._frame
        self._ring = RingBuffer(capacity)
        self._profile = SpeechProfile(
            self._frame,
            math.ceil(options.vad.hangover_seconds * self._rate / self._frame),
            capacity // self._frame + 2,
        )
        self._gaps = GapMap()
        self._provisional = [
            round(s * self._rate) for s in sorted(options.effective_provisional_seconds)
        ]
        self._next_start = 0
        self._last_end = 0
        self._sequence = 0
        self._padding = 0
        self._begin = 0  # no audio before this is known
        if mark is not None:
            self._restore(mark)

    def _restore(self, mark: TrackMark) -> None:
        self._begin = mark.position
        self._ring.skip(mark.position)
        self._profile.restore(mark.position // self._frame, mark.speech_samples, mark.next_start)
        self._gaps = GapMap(mark.gap_samples)
        self._provisional = list(mark.provisional)
        self._next_start, self._last_end = mark.next_start, mark.last_end
        self._sequence = mark.sequence

    def mark(self) -> TrackMark:
        """Returns where another track can continue after the windows cut so far."""
        position = max(0, self._next_start - round(_SETTLE_SECONDS * self._rate))
        profile = self._profile
        after = profile.speech_samples(self._next_start, profile.end)
        return TrackMark(
            position=position,
            next_start=self._next_start,
            last_end=self._last_end,
            sequence=self._sequence,
            provisional=tuple(self._provisional),
            speech_samples=profile.total_samples - after,
            gap_samples=self._gaps.before(position),
        )

    @property
    def end(self) -> int:
        """Length of the time line in samples, including gaps."""
        return self._ring.end - self._padding

    @property
    def speech_seconds(self) -> float:
        """Speech so far."""
        return self._profile.total_samples / self._rate

    @property
    def gap_seconds(self) -> float:
        """Audio lost so far."""
        return self._gaps.total_samples / self._rate

    @property
    def quiet_samples(self) -> int:
        """Samples that can still arrive before a window may become due, 1 or more."""
        frame, judged = self._frame, self._profile.end
        due, speech_due = self._next_due()
        missing = min(due - judged, speech_due - self._profile.total_samples)
        return max(1, judged + math.ceil(missing / frame) * frame - self._ring.end)

    def write(self, samples: Samples) -> list[FeedEvent]:
        """Appends audio, float32 (n,)."""
        events: list[FeedEvent] = []
        for at in range(0, len(samples), self._block):
            self._ring.write(samples[at : at + self._block])
            self._advance(events)
        return events

    def skip(self, count: int) -> list[FeedEvent]:
        """Appends a gap of `count` samples; time and memory are bounded, however long it is."""
        events: list[FeedEvent] = []
        if count <= 0:
            return events
        target = self._ring.end + count
        self._gaps.add(self._ring.end, target)
        # As zeros until no window holds audio from before the gap, then in one jump.
        zeros = min(count, self._window + self._hop + self._frame)
        while zeros:
            step = min(zeros, self._block)
            self._ring.skip(step)
            self._advance(events)
            zeros -= step
        if self._ring.end < target:
            self._jump(target)
        return events

    def finish(self) -> list[FeedEvent]:
        """Ends the track; returns the last partial window if some audio is in no full one."""
        events: list[FeedEvent] = []
        end = self._ring.end
        rest = end - self._profile.end
        if rest:
            # The last frame is padded with silence, only for the detector.
            self._padding = self._frame - rest
            self._ring.skip(self._padding)
            self._advance(events, until=end)
        start = self._next_start
        if end > max(self._last_end, start) and self._gaps.overlap(start, end) < end - start:
            events.append(self._cut(start, end, final=True))
        if self._profile.active:
            events.append(SpeechActivity(self._channel, False, end / self._rate))
        return events

    def _advance(self, events: list[FeedEvent], until: int | None = None) -> None:
        """Classifies complete frames and cuts the windows that become due."""
        end, frame, profile = self._profile.end, self._frame, self._profile
        count = (self._ring.end - end) // frame
        if not count:
            return
        gaps = self._gaps if self._gaps.reach(end) else None
        due, speech_due = self._next_due()
        for flag in self._vad.speech(self._ring.read(end, end + count * frame)).tolist():
            begin, end = end, end + frame
            lost = gaps is not None and gaps.overlap(begin, end) == frame
            if lost:
                profile.cut()
            if profile.append(speech=flag and not lost):
                events.append(SpeechActivity(self._channel, profile.active, begin / self._rate))
            if end >= due or profile.total_samples >= speech_due:
                self._cut_due(end if until is None else min(end, until), events)
                due, speech_due = self._next_due()
        self._gaps.forget(self._ring.end - self._ring.capacity)

    def _next_due(self) -> tuple[int, float]:
        """Returns when to cut next: a position, or an amount of speech."""
        speech = self._provisional[0] if self._provisional else math.inf
        return self._next_start + self._window, speech

    def _cut_due(self, end: int, events: list[FeedEvent]) -> None:
        while self._next_start + self._window <= end:
            start, stop = self._next_start, self._next_start + self._window
            self._next_start += self._hop
            self._last_end = stop
            if self._gaps.overlap(start, stop) == self._window:
                continue
            events.append(self._cut(start, stop))
        if self._provisional and self._profile.total_samples >= self._provisional[0]:
            self._provisional.pop(0)
            window = self._cut(max(self._begin, end - self._window), end, provisional=True)
            if window.scoreable:
                events.append(window)

    def _cut(
        self, start: int, end: int, *, provisional: bool = False, final: bool = False
    ) -> Window:
        lost = self._gaps.overlap(start, end)
        speech = self._profile.speech_samples(start, end) / self._rate
        scoreable = speech >= self._min_speech and lost <= _MAX_GAP_FRACTION * (end - start)
        sequence = self._sequence
        if scoreable or not provisional:
            self._sequence += 1
        if scoreable and not provisional:
            self._provisional.clear()
        return Window(
            channel=self._channel,
            sequence=sequence,
            start_sample=start,
            end_sample=end,
            sample_rate_hz=self._rate,
            samples=self._ring.read(start, end),
            speech_seconds=speech,
            gap_seconds=lost / self._rate,
            provisional=provisional,
            final=final,
            scoreable=scoreable,
            mark=None if final else self.mark(),
        )

    def _jump(self, target: int) -> None:
        """Skips to `target` within a gap that reaches back more than a window."""
        self._ring.skip(target - self._ring.end)
        self._profile.jump(target // self._frame)
        self._vad.reset()
        # The first window of the grid that reaches beyond the gap.
        skipped = max(0, (target - self._window - self._next_start) // self._hop + 1)
        self._next_start += skipped * self._hop
        self._last_end = max(self._last_end, target)
