"""A self-contained page for a case file: what was heard and when, and what the figures mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dfd.clients import events as ev
from dfd.clients.display import verdicts, words
from dfd.clients.options import AlertPolicy
from dfd.clients.runs.judge import Judgement
from dfd.clients.watching import ScorePoint, WatchedStream

_TEMPLATE = Path(__file__).parent / "casefile.html"
WIDTH, HEIGHT = 800.0, 200.0


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel on the page.

    Attributes:
        colour: "bad", "good" or "unsure".
        lines: points of SVG polylines, by the score's name.
        dots: positions of the window scores.
        speech: start and width of each stretch of speech, in the picture's units.
        alerts: positions at which alerts were raised, in the picture's units.
        events: pairs of a time and a sentence.
    """

    number: int
    verdict: str
    colour: str
    facts: list[tuple[str, str]]
    lines: dict[str, str] = field(default_factory=dict)
    dots: list[tuple[float, float]] = field(default_factory=list)
    speech: list[tuple[float, float]] = field(default_factory=list)
    alerts: list[float] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The content of the page.

    Attributes:
        trust: how far a verdict of this model can be trusted.
        facts: facts about the call or the recording, the model and the judgement.
        thresholds: names and heights in the picture.
        wave: points of an SVG polygon; empty if there is no audio.
    """

    title: str
    trust: str
    channels: list[Channel]
    seconds: float
    heard: list[tuple[str, str]]
    model: list[tuple[str, str]]
    thresholds: list[tuple[str, float]]
    wave: str = ""
    notes: list[str] = field(default_factory=list)


def from_judgement(found: Judgement) -> CaseFile:
    """Builds the page for a recording."""
    policy, rates = found.started.alert_policy, verdicts.rates_in_force(found.started)
    scale = WIDTH / max(found.seconds, 0.1)
    channels = []
    for summary in found.summary.channels:
        number = summary.channel
        points = [_point(window) for window in found.windows if window.channel == number]
        said = [_alert(alert) for alert in found.alerts if alert.channel == number]
        said += [_warning(one) for one in found.warnings if one.channel in (None, number)]
        channels.append(
            _channel(
                summary,
                rates,
                points,
                scale,
                speech=found.speech.get(number, []),
                alerts=[a.offset_seconds for a in found.alerts if _raised(a, number)],
                events=said,
            )
        )
    audio = found.audio_format
    heard = [
        ("recording", found.name),
        ("length", f"{found.seconds:.2f} s"),
        ("format", f"{audio.encoding}, {audio.sample_rate_hz} Hz, {audio.channel_count} channels"),
        ("SHA-256 of the file", found.sha256 or "read from a pipe, not kept"),
        ("stream id", found.started.stream_id),
    ]
    return CaseFile(
        title=found.name,
        trust=verdicts.rates_sentence(rates),
        channels=channels,
        seconds=found.seconds,
        heard=heard,
        model=_model(found.started.model, policy),
        thresholds=_thresholds(policy),
        wave=_wave(found.peaks),
        notes=[str(finding) for finding in found.findings],
    )


def from_watched(stream: WatchedStream, info: ev.ServerInfo) -> CaseFile:
    """Builds the page for a running stream, with the windows that the daemon still remembers."""
    model = info.models[0]
    rates = verdicts.rates_at(model.error_rates, stream.alert_policy.cumulative_threshold)
    seconds = stream.audio_seconds
    scale = WIDTH / max(seconds, 0.1)
    channels = [
        _channel(
            one.summary,
            rates,
            one.recent,
            scale,
            alerts=[alert.offset_seconds for alert in one.active_alerts],
            events=[_alert(alert) for alert in one.active_alerts],
        )
        for one in stream.channels
    ]
    audio = stream.audio_format
    shape = f"{audio.encoding}, {audio.sample_rate_hz} Hz" if audio is not None else "unknown"
    return CaseFile(
        title=stream.stream_id,
        trust=verdicts.rates_sentence(rates),
        channels=channels,
        seconds=seconds,
        heard=[
            ("stream id", stream.stream_id),
            ("client", stream.peer),
            ("began", stream.started_at.isoformat(timespec="seconds")),
            ("length so far", f"{seconds:.1f} s"),
            ("format", shape),
            *sorted(stream.labels.items()),
        ],
        model=_model(model, stream.alert_policy),
        thresholds=_thresholds(stream.alert_policy),
        notes=["The stream was running when this page was written; its audio was not kept."],
    )


def _channel(
    summary: ev.ChannelSummary,
    rates: verdicts.Rates | None,
    points: Sequence[ScorePoint],
    scale: float,
    *,
    speech: Iterable[tuple[float, float]] = (),
    alerts: Iterable[float] = (),
    events: Iterable[tuple[str, str]] = (),
) -> Channel:
    said = verdicts.verdict(summary, rates)
    score, mean = summary.cumulative_score, summary.mean_spoof_probability
    first = summary.first_alert_seconds
    colours = {ev.Verdict.SPOOF: "bad", ev.Verdict.BONAFIDE: "good"}
    return Channel(
        number=summary.channel,
        verdict=said,
        colour=colours.get(summary.verdict, "unsure"),
        facts=[
            ("verdict", summary.verdict.value),
            ("P(spoof), cumulative", words.probability(score)),
            ("LLR (natural log)", "-" if score is None else f"{score.spoof_llr:+.2f}"),
            ("P(spoof), mean of windows", "-" if mean is None else f"{mean:.3f}"),
            ("P(spoof), highest rolling", words.probability(summary.peak_rolling_score)),
            ("speech", f"{summary.speech_seconds:.1f} s"),
            ("audio lost", f"{summary.gap_seconds:.1f} s"),
            ("windows scored", str(summary.windows_scored)),
            ("windows shed or failed", str(summary.windows_shed + summary.windows_failed)),
            ("first alert", "none" if first is None else f"{first:.1f} s"),
        ],
        lines={
            "cumulative": _line((p.end_seconds * scale, p.cumulative) for p in points),
            "rolling": _line((p.end_seconds * scale, p.rolling) for p in points),
        },
        dots=[(p.end_seconds * scale, _height(p.window)) for p in points if p.window is not None],
        speech=[(begin * scale, (end - begin) * scale) for begin, end in speech],
        alerts=[at * scale for at in alerts],
        events=sorted(events),
    )


def _point(window: ev.WindowResult) -> ScorePoint:
    scores = (window.window_score, window.rolling_score, window.cumulative_score)
    return ScorePoint(
        window.end_seconds, *(None if one is None else one.spoof_probability for one in scores)
    )


def _height(probability: float) -> float:
    return (1.0 - probability) * HEIGHT


def _line(pairs: Iterable[tuple[float, float | None]]) -> str:
    return " ".join(f"{x:.1f},{_height(value):.1f}" for x, value in pairs if value is not None)


def _wave(peaks: Sequence[float], height: float = 60.0) -> str:
    step = WIDTH / max(1, len(peaks))
    upper = [f"{at * step:.1f},{(1 - peak) * height / 2:.1f}" for at, peak in enumerate(peaks)]
    lower = [f"{at * step:.1f},{(1 + peak) * height / 2:.1f}" for at, peak in enumerate(peaks)]
    return " ".join(upper + lower[::-1])


def _raised(alert: ev.Alert, channel: int) -> bool:
    return alert.channel == channel and not alert.cleared


def _alert(alert: ev.Alert) -> tuple[str, str]:
    what = "alert cleared" if alert.cleared else "alert"
    said = f"{what}: {alert.trigger} score {alert.score.spoof_probability:.3f}"
    return _stamp(alert.offset_seconds), f"{said}, threshold {alert.threshold:.2f}"


def _warning(warning: ev.StreamWarning) -> tuple[str, str]:
    return _stamp(warning.offset_seconds), f"{warning.reason}: {warning.message}"


def _stamp(seconds: float) -> str:
    return f"{seconds:8.2f} s"


def _thresholds(policy: AlertPolicy) -> list[tuple[str, float]]:
    pairs = (("rolling", policy.rolling_threshold), ("cumulative", policy.cumulative_threshold))
    return [(f"{name} {value:.2f}", _height(value)) for name, value in pairs if value is not None]


def _model(model: ev.ModelInfo, policy: AlertPolicy) -> list[tuple[str, str]]:
    shown = {"rolling threshold": policy.rolling_threshold}
    shown["cumulative threshold"] = policy.cumulative_threshold
    rates = model.error_rates
    measured = "not known"
    if rates is not None:
        measured = (
            f"at {rates.threshold:g}: {rates.false_alarm_rate:.2%} false alarms,"
            f" {rates.miss_rate:.2%} missed, of {rates.heard_seconds:g} s each"
        )
    return [
        ("model", f"{model.name} {model.version}".strip()),
        ("SHA-256 of the weights", model.weights_sha256),
        ("run on", f"{model.device}, {model.precision}, {model.engine}"),
        ("windows", f"{model.window_seconds:g} s every {model.hop_seconds:g} s"),
        ("cumulative score", model.utterance_score),
        *((name, "-" if value is None else f"{value:.2f}") for name, value in shown.items()),
        ("measured errors", measured),
    ]


def render(case: CaseFile, version: str) -> str:
    """Renders the page as HTML.

    Args:
        case: its content.
        version: version of the program that writes it.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    written = datetime.now(UTC).isoformat(timespec="seconds")
    return template.render(case=case, version=version, written=written, width=WIDTH, height=HEIGHT)
