"""What a watcher receives: the streams of a daemon, as frozen dataclasses, and a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from dfd.clients.audio import AudioFormat
from dfd.clients.events import Alert, ChannelSummary, Score
from dfd.clients.options import AlertPolicy
from dfd.v1 import detection_pb2 as pb

# windows remembered for each channel
_HISTORY = 3600
# the end of a stream whose daemon has forgotten it
LOST = "LOST"


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """The spoof probabilities after one window; None if there was none."""

    end_seconds: float
    window: float | None
    rolling: float | None
    cumulative: float | None


@dataclass(frozen=True, slots=True)
class WatchedChannel:
    """One judged channel of a stream.

    Attributes:
        summary: what the summary would be if the stream ended now.
        active_alerts: alerts raised and not cleared.
        alerts_raised: alerts so far, including cleared ones.
        recent: the last windows, oldest first.
    """

    summary: ChannelSummary
    rolling_score: Score | None
    speaking: bool
    active_alerts: tuple[Alert, ...]
    alerts_raised: int
    recent: tuple[ScorePoint, ...]


@dataclass(frozen=True, slots=True)
class WatchedStream:
    """The present state of one stream of the daemon.

    Attributes:
        key: unique for the lifetime of the daemon; stream ids may repeat.
        peer: address of its client.
        audio_format: None if the encoding is not known to this client.
        model: name of the model that judges it; empty if an older server does not say.
        end_reason: empty while it runs, then a stable UPPER_SNAKE_CASE word.
        proto: the original message.
    """

    key: str
    stream_id: str
    labels: Mapping[str, str]
    peer: str
    started_at: datetime
    audio_format: AudioFormat | None
    alert_policy: AlertPolicy
    channels: tuple[WatchedChannel, ...]
    end_reason: str
    model: str = ""
    proto: pb.WatchedStream = field(kw_only=True, repr=False, compare=False)

    @property
    def alerted(self) -> bool:
        """Whether an alert is active on one of its channels."""
        return any(channel.active_alerts for channel in self.channels)

    @property
    def alerts_raised(self) -> int:
        """Number of alerts on all channels so far."""
        return sum(channel.alerts_raised for channel in self.channels)

    @property
    def audio_seconds(self) -> float:
        """Its length."""
        return max((channel.summary.audio_seconds for channel in self.channels), default=0.0)

    @property
    def rolling(self) -> float | None:
        """The highest rolling spoof probability of its channels."""
        scores = [c.rolling_score.spoof_probability for c in self.channels if c.rolling_score]
        return max(scores, default=None)

    @property
    def cumulative(self) -> float | None:
        """The highest cumulative spoof probability of its channels."""
        scores = [c.summary.cumulative_score for c in self.channels]
        return max((score.spoof_probability for score in scores if score), default=None)

    def matches(self, text: str) -> bool:
        """Returns whether every word of a text occurs in its id, peer or labels."""
        texts = [self.stream_id, self.peer]
        texts += [f"{name}={value}" for name, value in self.labels.items()]
        shown = "\n".join(texts).casefold()
        return all(word in shown for word in text.casefold().split())


@dataclass(frozen=True, slots=True)
class StreamsUpdate:
    """The streams that changed; if `snapshot` is set, all that run, replacing earlier ones."""

    snapshot: bool
    streams: tuple[WatchedStream, ...]


class StreamList:
    """The streams of a daemon, kept up to date by updates.

    Args:
        keep_ended: how many of the latest ended streams to remember.

    Attributes:
        streams: running streams by key, with the windows seen so far.
        ended: ended streams, oldest first.
    """

    def __init__(self, keep_ended: int = 0) -> None:
        self.streams: dict[str, WatchedStream] = {}
        self.ended: dict[str, WatchedStream] = {}
        self._keep_ended = keep_ended

    def take(self, update: StreamsUpdate) -> None:
        """Applies an update."""
        before = self.streams
        if update.snapshot:
            self.streams = {}
        for stream in update.streams:
            known = before.get(stream.key)
            if known is not None:
                stream = _joined(known, stream)
            if stream.end_reason:
                self.streams.pop(stream.key, None)
                self.ended[stream.key] = stream
            else:
                self.streams[stream.key] = stream
        while len(self.ended) > self._keep_ended:
            del self.ended[next(iter(self.ended))]

    def find(self, key: str) -> WatchedStream | None:
        """Finds a running or ended stream."""
        return self.streams.get(key) or self.ended.get(key)


class Several:
    """Makes one list of the streams of several daemons."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, WatchedStream]] = {}

    def take(self, server: str, update: StreamsUpdate) -> StreamsUpdate:
        """Returns an update of one daemon as one of all: it replaces only that daemon's streams."""
        before = self._known.get(server, {})
        now = {} if update.snapshot else dict(before)
        for stream in update.streams:
            if stream.end_reason:
                now.pop(stream.key, None)
            else:
                now[stream.key] = stream
        self._known[server] = now
        updated = {stream.key for stream in update.streams}
        gone = [
            replace(stream, end_reason=LOST)
            for key, stream in before.items()
            if update.snapshot and key not in now and key not in updated
        ]
        return StreamsUpdate(False, (*gone, *update.streams))


def _joined(known: WatchedStream, fresh: WatchedStream) -> WatchedStream:
    """Returns the newer state with the windows of both."""
    older = {channel.summary.channel: channel.recent for channel in known.channels}
    channels = []
    for channel in fresh.channels:
        first = channel.recent[0].end_seconds if channel.recent else float("inf")
        before = older.get(channel.summary.channel, ())
        kept = [point for point in before if point.end_seconds < first]
        recent = (*kept, *channel.recent)[-_HISTORY:]
        channels.append(replace(channel, recent=recent))
    return replace(fresh, channels=tuple(channels))
