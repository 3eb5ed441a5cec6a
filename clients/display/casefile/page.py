"""The content of a case file's page, whatever its source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dfd.clients import events as ev
from dfd.clients.display import verdicts, words
from dfd.clients.display.casefile.picture import Picture, TimeLine, draw
from dfd.clients.display.info import policy_words
from dfd.clients.options import AlertPolicy
from dfd.clients.server_info import ModelInfo
from dfd.clients.watching import ScorePoint

Facts = list[tuple[str, str]]

_COLOURS = {ev.Verdict.SPOOF: "bad", ev.Verdict.BONAFIDE: "good"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel on the page.

    Attributes:
        colour: "bad", "good" or "unsure".
        pictures: the same time line for wide screens and paper, and for telephones; empty if
            there are no scores.
        events: pairs of a time and a sentence.
    """

    number: int
    verdict: str
    colour: str
    facts: Facts
    pictures: list[Picture]
    events: Facts = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The content of the page.

    Attributes:
        trust: how far a verdict of this model can be trusted.
        heard: facts about the call or the recording.
        model: facts about the model and the judgement.
        audio: the audio that was kept, and whether it is unchanged.
        notes: what else the reader must know.
    """

    title: str
    trust: str
    channels: list[Channel]
    heard: Facts
    model: Facts
    audio: Facts
    notes: list[str] = field(default_factory=list)


def channel(
    number: int,
    summary: ev.ChannelSummary | None,
    rates: verdicts.Rates | None,
    policy: AlertPolicy,
    *,
    seconds: float,
    points: Sequence[ScorePoint],
    alerts: Sequence[ev.Alert],
    warnings: Iterable[ev.StreamWarning] = (),
    speech: Sequence[tuple[float, float]] = (),
    peaks: Sequence[float] = (),
) -> Channel:
    """Builds a channel's part of the page.

    Args:
        number: of the channel.
        summary: None if the call was cut off.
        rates: error rates of the model at the threshold in force; None if they are not known.
        policy: thresholds that were in force.
        seconds: length of the audio.
        points: scores over time.
        alerts: raised and cleared alerts.
        warnings: about this channel or the whole stream.
        speech: start and end of each stretch of speech, in seconds.
        peaks: largest samples of equal parts, in [0, 1]; empty if there is no audio.
    """
    happened = [(alert.offset_seconds, _alert(alert)) for alert in alerts]
    happened += [(one.offset_seconds, f"{one.reason}: {one.message}") for one in warnings]
    raised = [alert.offset_seconds for alert in alerts if not alert.cleared]
    pictures = []
    if points:
        line = TimeLine(seconds, points, speech, raised, _thresholds(policy), peaks)
        pictures = [draw(line, "wide", 800.0, 200.0, 8), draw(line, "narrow", 380.0, 200.0, 4)]
    return Channel(
        number,
        verdicts.CUT_OFF if summary is None else verdicts.verdict(summary, rates),
        "unsure" if summary is None else _COLOURS.get(summary.verdict, "unsure"),
        [] if summary is None else _facts(summary),
        pictures,
        [(f"{at:.2f} s", text) for at, text in sorted(happened)],
    )


def _facts(summary: ev.ChannelSummary) -> Facts:
    score, mean = summary.cumulative_score, summary.mean_spoof_probability
    first = summary.first_alert_seconds
    return [
        ("verdict", verdicts.verdict_name(summary.verdict)),
        *[("watermark", _watermark(found)) for found in summary.watermarks],
        ("P(spoof), cumulative", words.probability(score)),
        ("LLR (natural log)", "-" if score is None else f"{score.spoof_llr:+.2f}"),
        ("P(spoof), mean of windows", "-" if mean is None else f"{mean:.3f}"),
        ("P(spoof), highest rolling", words.probability(summary.peak_rolling_score)),
        ("speech", f"{summary.speech_seconds:.1f} s"),
        ("audio lost", f"{summary.gap_seconds:.1f} s"),
        ("windows scored", str(summary.windows_scored)),
        ("windows shed or failed", str(summary.windows_shed + summary.windows_failed)),
        ("first alert", "none" if first is None else f"{first:.1f} s"),
    ]


def _watermark(found: ev.Watermark) -> str:
    text = words.carries([found.scheme])
    sure = f", confidence {found.confidence:.2f}" if found.confidence else ""  # not in a journal
    return f"{text}: found at {found.offset_seconds:.1f} s{sure}"


def _alert(alert: ev.Alert) -> str:
    what = "alert cleared" if alert.cleared else "alert"
    return f"{what}: {words.alert(alert, digits=3)}"


def _thresholds(policy: AlertPolicy) -> list[tuple[str, float]]:
    """Returns the thresholds of a policy, each with its name."""
    pairs = (("rolling", policy.rolling_threshold), ("cumulative", policy.cumulative_threshold))
    return [(f"{name} {value:.2f}", value) for name, value in pairs if value is not None]


def model_facts(
    model: ModelInfo, policy: AlertPolicy, window_seconds: float, hop_seconds: float
) -> Facts:
    """States which model judged the audio, and how."""
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
        ("windows", f"{window_seconds:g} s every {hop_seconds:g} s"),
        ("calibration", words.calibration(model.calibration)),
        ("cumulative score", model.utterance_score),
        ("alerts at", policy_words(policy)),
        ("measured errors", measured),
    ]
