"""Builds the page for a recording, for a running stream, and for a call from the journal."""

from __future__ import annotations

from dfd.clients import events as ev
from dfd.clients import history
from dfd.clients.audio import AudioFormat
from dfd.clients.display import verdicts
from dfd.clients.display.casefile import page
from dfd.clients.display.casefile.page import CaseFile
from dfd.clients.options import AlertPolicy
from dfd.clients.runs.judge import Judgement
from dfd.clients.server_info import ServerInfo
from dfd.clients.watching import ScorePoint, WatchedStream


def from_judgement(found: Judgement) -> CaseFile:
    """Builds the page for a recording."""
    started = found.started
    policy, rates = started.alert_policy, verdicts.rates_in_force(started)
    channels = [
        page.channel(
            summary.channel,
            summary,
            rates,
            policy,
            seconds=found.seconds,
            points=[_point(one) for one in found.windows if one.channel == summary.channel],
            alerts=[one for one in found.alerts if one.channel == summary.channel],
            warnings=[one for one in found.warnings if one.channel in (None, summary.channel)],
            speech=found.speech.get(summary.channel, []),
            peaks=found.peaks,
        )
        for summary in found.summary.channels
    ]
    return CaseFile(
        title=found.name,
        trust=verdicts.rates_sentence(rates),
        channels=channels,
        heard=[
            ("recording", found.name),
            ("length", f"{found.seconds:.2f} s"),
            ("format", _format(found.audio_format)),
            ("stream id", started.stream_id),
            *([] if found.manifest is None else [("provenance", str(found.manifest))]),
        ],
        model=page.model_facts(started.model, policy, started.window_seconds, started.hop_seconds),
        audio=[("SHA-256 of the file", found.sha256 or "read from a pipe, not kept")],
        notes=[str(finding) for finding in found.findings],
    )


def from_watched(stream: WatchedStream, info: ServerInfo) -> CaseFile:
    """Builds the page for a running stream, with the windows that the daemon still remembers."""
    model = next(one for one in info.models if stream.model in ("", one.name))
    policy = stream.alert_policy
    rates = verdicts.rates_at(model.error_rates, policy.cumulative_threshold)
    channels = [
        page.channel(
            one.summary.channel,
            one.summary,
            rates,
            policy,
            seconds=stream.audio_seconds,
            points=one.recent,
            alerts=one.active_alerts,
        )
        for one in stream.channels
    ]
    return CaseFile(
        title=stream.stream_id,
        trust=verdicts.rates_sentence(rates),
        channels=channels,
        heard=[
            ("stream id", stream.stream_id),
            ("client", stream.peer),
            ("began", stream.started_at.isoformat(timespec="seconds")),
            ("length so far", f"{stream.audio_seconds:.1f} s"),
            ("format", _format(stream.audio_format)),
            *sorted(stream.labels.items()),
        ],
        model=page.model_facts(model, policy, model.window_seconds, model.hop_seconds),
        audio=[("audio", "not available while the stream runs")],
        notes=["The stream was running when this page was written."],
    )


def from_history(call: history.Call) -> CaseFile:
    """Builds the page for a call from the journal."""
    started = call.started
    policy = AlertPolicy() if started is None else started.alert_policy
    rates = None if started is None else verdicts.rates_in_force(started)
    channels = [
        page.channel(
            one.number,
            one.summary,
            rates,
            policy,
            seconds=call.seconds,
            points=one.points,
            alerts=one.alerts,
        )
        for one in call.channels
    ]
    notes = [
        f"Channel {one.number} shows one in {one.every} of its windows."
        for one in call.channels
        if one.every > 1
    ]
    if call.ended_at is None:
        notes.append(
            "The journal has no end of this call: it is still running, or its daemon was killed."
        )
    if started is None:
        notes.append(
            "The journal does not state how this call was judged: an older version of dfd wrote it."
        )
    return CaseFile(
        title=call.stream_id,
        trust=verdicts.rates_sentence(rates),
        channels=channels,
        heard=[
            (f"{call.kind} id", call.stream_id),
            ("client", call.peer),
            ("began", call.started_at.isoformat(timespec="seconds")),
            ("ended", _ended(call)),
            ("length", f"{call.seconds:.1f} s"),
            ("format", _format(call.audio_format)),
            *sorted(call.labels.items()),
            ("call in the journal", call.key),
        ],
        model=_model(call),
        audio=[_clip(clip) for clip in call.clips] or [("audio", "none was kept")],
        notes=notes,
    )


def _model(call: history.Call) -> page.Facts:
    started = call.started
    if started is None:
        return [
            ("model", f"{call.model} {call.model_version}".strip()),
            ("SHA-256 of the weights", call.weights_sha256),
        ]
    return page.model_facts(
        started.model, started.alert_policy, started.window_seconds, started.hop_seconds
    )


def _clip(clip: history.Clip) -> tuple[str, str]:
    if clip.sha256 is None or clip.seconds is None or clip.written_at is None:
        return clip.path.name, clip.state()
    at = clip.written_at.isoformat(timespec="seconds")
    return (
        clip.path.name,
        f"{clip.seconds:.1f} s, written {at}, SHA-256 {clip.sha256}; {clip.state()}",
    )


def _ended(call: history.Call) -> str:
    if call.ended_at is None:
        return "not known"
    return f"{call.ended_at.isoformat(timespec='seconds')}, {call.end.replace('_', ' ')}"


def _format(audio: AudioFormat | None) -> str:
    if audio is None:
        return "not known"
    several = "channel" if audio.channel_count == 1 else "channels"
    return f"{audio.encoding}, {audio.sample_rate_hz} Hz, {audio.channel_count} {several}"


def _point(window: ev.WindowResult) -> ScorePoint:
    scores = (window.window_score, window.rolling_score, window.cumulative_score)
    return ScorePoint(
        window.end_seconds, *(None if one is None else one.spoof_probability for one in scores)
    )
