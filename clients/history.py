"""Calls from a daemon's journal: the records of `dfd history list --json`, as dataclasses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from dfd.clients import events as ev
from dfd.clients.audio import AudioFormat
from dfd.clients.protocol import wire
from dfd.clients.watching import ScorePoint
from dfd.messages import duration, from_message, to_message, wire_name
from dfd.v1 import detection_pb2 as pb


@dataclass(frozen=True, slots=True)
class Clip:
    """Audio around an alert, kept by the daemon.

    Attributes:
        seconds, written_at, sha256: None if the journal does not have them.
    """

    path: Path
    seconds: float | None
    written_at: datetime | None
    sha256: str | None

    def state(self) -> str:
        """Compares the file with what was written; returns the result as a clause."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return "not on this machine, or deleted since"
        if self.sha256 is None:
            return f"SHA-256 {found} now; the journal does not say what it was"
        return "unchanged since" if found == self.sha256 else f"CHANGED SINCE: now {found}"


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a call.

    Attributes:
        summary: None if the daemon was killed before it wrote one.
        points: scores of one in `every` windows, oldest first.
        alerts: raised and cleared alerts, oldest first.
    """

    number: int
    summary: ev.ChannelSummary | None
    points: tuple[ScorePoint, ...]
    every: int
    alerts: tuple[ev.Alert, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call from the journal.

    Attributes:
        kind: "stream" or "recording".
        ended_at: None while it runs, and for ever if its daemon was killed.
        started: how it was judged; None if an older daemon wrote the journal.
    """

    key: str
    kind: str
    stream_id: str
    labels: Mapping[str, str]
    peer: str
    started_at: datetime
    ended_at: datetime | None
    end: str
    audio_seconds: float
    model: str
    model_version: str
    weights_sha256: str
    started: ev.Started | None
    channels: tuple[Channel, ...]
    clips: tuple[Clip, ...]

    @property
    def audio_format(self) -> AudioFormat | None:
        """Format of the audio that the client sent; None if it is not known."""
        if self.started is None:
            return None
        audio = self.started.proto.effective_config.audio_format
        encoding = wire.encoding(audio.encoding)
        if encoding is None:
            return None
        return AudioFormat(encoding, audio.sample_rate_hertz, audio.channel_count)

    @property
    def seconds(self) -> float:
        """Length of the call, as far as the journal knows."""
        known = [self.audio_seconds]
        for channel in self.channels:
            known += [point.end_seconds for point in channel.points]
            known += [alert.offset_seconds for alert in channel.alerts]
        return max(known)


def call(record: Mapping[str, Any]) -> Call:
    """Converts a record of the journal."""
    ended = record.get("ended_at")
    return Call(
        key=record["call"],
        kind=record["kind"],
        stream_id=record["stream_id"],
        labels=record.get("labels") or {},
        peer=record.get("peer") or "",
        started_at=datetime.fromisoformat(record["started_at"]),
        ended_at=None if ended is None else datetime.fromisoformat(ended),
        end=record.get("end") or "",
        audio_seconds=record.get("audio_seconds") or 0.0,
        model=record.get("model") or "",
        model_version=record.get("model_version") or "",
        weights_sha256=record.get("weights_sha256") or "",
        started=_started(record.get("started")),
        channels=tuple(_channels(record)),
        clips=tuple(_clips(record)),
    )


def _started(record: Mapping[str, Any] | None) -> ev.Started | None:
    if not record:
        return None
    message = ParseDict(dict(record), pb.StreamStarted(), ignore_unknown_fields=True)
    found = wire.event(pb.StreamingDetectResponse(started=message))
    return found if isinstance(found, ev.Started) else None


def _channels(record: Mapping[str, Any]) -> list[Channel]:
    summaries = {one["channel"]: one for one in record.get("channels") or ()}
    scores = {one["channel"]: one for one in record.get("scores") or ()}
    alerts: dict[int, list[ev.Alert]] = {}
    for alert in record.get("alerts") or ():
        alerts.setdefault(alert["channel"], []).append(_alert(alert))
    found = []
    for number in sorted({*summaries, *scores, *alerts}):
        summary, kept = summaries.get(number), scores.get(number)
        found.append(
            Channel(
                number,
                None if summary is None else _summary(summary, alerts.get(number, [])),
                tuple(ScorePoint(*point) for point in kept["points"]) if kept else (),
                kept["every"] if kept else 1,
                tuple(sorted(alerts.get(number, []), key=lambda one: one.offset_seconds)),
            )
        )
    return found


def _alert(row: Mapping[str, Any]) -> ev.Alert:
    # "mark:perth" is a watermark, and whose
    trigger, _, scheme = str(row["trigger"]).replace("mark:", "watermark:").partition(":")
    offset = duration(row["offset_seconds"])
    message = pb.Alert(
        trigger=pb.Alert.Trigger.Value(f"TRIGGER_{trigger.upper()}"),
        watermark=pb.Watermark(scheme=scheme, offset=offset) if scheme else None,
        channel=row["channel"],
        offset=offset,
        score=pb.Score(spoof_probability=row["spoof_probability"], spoof_llr=row["spoof_llr"]),
        threshold=row["threshold"],
        cleared=row["cleared"],
    )
    return from_message(ev.Alert, message)


def _summary(row: Mapping[str, Any], alerts: Sequence[ev.Alert]) -> ev.ChannelSummary:
    known = {wire_name(name, pb.ChannelSummary.DESCRIPTOR): value for name, value in row.items()}
    named = {name: value for name, value in known.items() if name is not None}
    message = to_message(
        pb.ChannelSummary,
        **named
        | {
            "verdict": ev.Verdict(row["verdict"]),
            "inconclusive_reasons": row["reasons"],
            "cumulative_score": _score(row["spoof_probability"], row["spoof_llr"]),
            "peak_rolling_score": _score(row["peak_probability"], None),
            "mean_spoof_probability": row["mean_probability"],
        },
    )
    found = tuple(alert.watermark for alert in alerts if alert.watermark is not None)
    return from_message(ev.ChannelSummary, message, watermarks=found)


def _score(probability: float | None, llr: float | None) -> pb.Score | None:
    if probability is None:
        return None
    return pb.Score(spoof_probability=probability, spoof_llr=llr or 0.0)


def _clips(record: Mapping[str, Any]) -> list[Clip]:
    noted = {one["clip"]: one for one in record.get("clips") or ()}
    paths = {alert["clip"]: None for alert in record.get("alerts") or () if alert.get("clip")}
    found = []
    for path in paths:  # in the order of their alerts
        row = noted.get(path)
        if row is None:
            found.append(Clip(Path(path), None, None, None))
            continue
        at = datetime.fromisoformat(row["written_at"])
        found.append(Clip(Path(path), row["seconds"], at, row["sha256"]))
    return found
