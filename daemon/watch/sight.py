"""One stream as watchers see it: updated by its events, turned into a message on demand."""

from __future__ import annotations

import contextlib
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from dfd.messages import to_message
from dfd.streaming import types as core
from dfd.v1 import detection_pb2 as pb

# number of windows in a snapshot, and in a change
SNAPSHOT_POINTS = 64
CHANGE_POINTS = 8
_MAX_LABEL_BYTES = 8 << 10

LOST = "LOST"


class Subject(Protocol):
    """A stream that can be watched."""

    @property
    def key(self) -> str:
        """Its key, unique for the lifetime of the daemon."""

    def message(self, points: int) -> pb.WatchedStream:
        """Returns the present state of the stream, with at most `points` of its last windows."""


class Summarising(Protocol):
    """The part of a session that watchers need."""

    def standing_alerts(self) -> list[core.Alert]:
        """Returns the active alerts of all channels."""

    def alerts_raised(self) -> dict[int, int]:
        """Alerts so far, cleared ones included, by channel."""

    def summary(self) -> list[core.ChannelSummary]:
        """Returns the summary of each channel so far."""


Event = core.WindowResult | core.Alert | core.SpeechActivity | core.StreamWarning


@dataclass(slots=True)
class _Channel:
    """What the summary of a channel does not contain."""

    speaking: bool = False
    rolling_score: core.Score | None = None
    alerts_raised: int = 0
    active: dict[core.Trigger, core.Alert] = field(default_factory=dict)
    recent: deque[_Point] = field(default_factory=lambda: deque(maxlen=SNAPSHOT_POINTS))


@dataclass(frozen=True, slots=True)
class _Point:
    """A window without its samples."""

    end_seconds: float
    window: float | None
    rolling: float | None
    cumulative: float | None


class Sight:
    """A running stream of this process.

    Args:
        config: effective configuration of the stream.
        peer: address of its client.
        session: its session, released when the stream ends.
    """

    def __init__(self, config: pb.StreamingDetectConfig, peer: str, session: Summarising) -> None:
        self.key = secrets.token_hex(8)
        self._session: Summarising | None = session
        started_at = Timestamp()
        started_at.GetCurrentTime()
        self._head = pb.WatchedStream(
            key=self.key,
            stream_id=config.stream_id,
            labels=_bounded(config.labels),
            peer=peer,
            start_time=started_at,
            audio_format=config.audio_format,
            alert_policy=config.alert_policy,
            model=config.model,
        )
        raised = session.alerts_raised()
        self._channels = {
            channel: _Channel(alerts_raised=raised.get(channel, 0)) for channel in config.channels
        }
        for alert in session.standing_alerts():  # of a resumed stream
            self._channels[alert.channel].active[alert.trigger] = alert
        self._summaries: list[pb.ChannelSummary] = []
        self._change: pb.WatchedStream | None = None

    def take(self, event: Event) -> bool:
        """Updates the state with an event; returns False if nothing visible changed."""
        if isinstance(event, core.StreamWarning):
            return False
        if isinstance(event, core.WindowResult):
            channel = self._channels[event.window.channel]
            channel.rolling_score = event.rolling_score
            channel.recent.append(
                _Point(
                    event.window.end_seconds,
                    _probability(event.window_score),
                    _probability(event.rolling_score),
                    _probability(event.cumulative_score),
                )
            )
        else:
            channel = self._channels[event.channel]
            if isinstance(event, core.SpeechActivity):
                channel.speaking = event.began
            elif event.cleared:
                channel.active.pop(event.trigger, None)
            else:
                channel.active[event.trigger] = event
                channel.alerts_raised += 1
        self._change = None
        return True

    def end(self, reason: str) -> None:
        """Ends the stream: keeps its final state and releases its audio."""
        with contextlib.suppress(Exception):  # a core that failed may fail again
            self._summaries = self._summarise()
        self._session = None
        self._head.end_reason = reason
        for channel in self._channels.values():
            channel.speaking = False
        self._change = None

    def message(self, points: int) -> pb.WatchedStream:
        """Returns the present state of the stream, with at most `points` of its last windows."""
        if points != CHANGE_POINTS:
            return self._compose(points)
        if self._change is None:  # built once for all watchers
            self._change = self._compose(points)
        return self._change

    def _summarise(self) -> list[pb.ChannelSummary]:
        if self._session is None:
            return self._summaries
        return [to_message(pb.ChannelSummary, one) for one in self._session.summary()]

    def _compose(self, points: int) -> pb.WatchedStream:
        message = pb.WatchedStream()
        message.CopyFrom(self._head)
        for summary in self._summarise():
            channel = self._channels[summary.channel]
            message.channels.append(
                to_message(
                    pb.WatchedChannel,
                    channel,
                    summary=summary,
                    active_alerts=channel.active.values(),
                    recent=list(channel.recent)[-points:],
                )
            )
        return message


class RemoteSight:
    """A stream of another process, in its last known state."""

    def __init__(self, told: pb.WatchedStream) -> None:
        self.key = told.key
        self._told = told

    def tell(self, told: pb.WatchedStream) -> None:
        """Applies a newer state; windows that it leaves out are kept."""
        before = {one.summary.channel: one for one in self._told.channels}
        for channel in told.channels:
            known = before.get(channel.summary.channel)
            if known is None or len(channel.recent) >= SNAPSHOT_POINTS:
                continue
            first = channel.recent[0].end_offset if channel.recent else None
            older = [
                point
                for point in known.recent
                if first is None
                or (point.end_offset.seconds, point.end_offset.nanos) < (first.seconds, first.nanos)
            ]
            recent = [*older, *channel.recent][-SNAPSHOT_POINTS:]
            del channel.recent[:]
            channel.recent.extend(recent)
        self._told = told

    def end(self, reason: str) -> None:
        """Ends the stream, since its process is gone."""
        self._told.end_reason = reason

    def message(self, points: int) -> pb.WatchedStream:
        """Returns the present state of the stream, with at most `points` of its last windows."""
        message = pb.WatchedStream()
        message.CopyFrom(self._told)
        for channel in message.channels:
            del channel.recent[: max(0, len(channel.recent) - points)]
        return message


def _probability(score: core.Score | None) -> float | None:
    return None if score is None else score.spoof_probability


def _bounded(labels: Mapping[str, str]) -> dict[str, str]:
    """Returns as many labels as are worth sending to every watcher twice a second."""
    kept: dict[str, str] = {}
    left = _MAX_LABEL_BYTES
    for name, text in labels.items():
        left -= len(name.encode()) + len(text.encode())
        if left >= 0:
            kept[name] = text
    return kept
