"""How `dfd detect` shows what it found: a line of JSON for each channel, or a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dfd.clients.display.tables import Column, fitted, number, result_console, verdict_text
from dfd.clients.display.verdicts import Rates, rates_sentence
from dfd.clients.display.words import scheme_name
from dfd.clients.sources.recording import Recording
from dfd.detector.spec import ModelSpec
from dfd.offline.recording import TrackScores
from dfd.recordings import Finding, Manifest

_CAPTIONS = {
    "evidence": "P: the evidence of all windows; mean P: the mean of the windows' P",
    "mean": "P and mean P: the mean of the windows' P",
    "first": "P and mean P: the P of the first window, by which the model's authors score",
}


def report(
    recording: Recording,
    findings: Sequence[Finding],
    track: TrackScores,
    threshold: float,
    *,
    window_scores: bool,
    manifest: Manifest | None = None,
) -> dict[str, Any]:
    """Returns the JSON object of one channel.

    `spoof_probability` is the utterance score of file-based systems: the plain mean of the
    windows' P(spoof), or the first window's where the model says so. `prediction` and
    `confidence` follow from it and from the threshold. `cumulative_spoof_probability` and
    `spoof_llr` are formed as on a stream, in the way the model asks for; `verdict` and `reasons`
    follow from these and from the model's own threshold. All are null if no window was scored.
    `watermarks` lists what --watermarks found, `c2pa` what the file's manifest says. `whole` says
    whether the entire recording was scored, `findings` what was not.
    """
    summary = track.summary
    mean, cumulative = track.utterance_probability, summary.cumulative_score
    fields: dict[str, Any] = {
        "file": recording.name,
        "channel": summary.channel,
        "spoof_probability": mean,
        "bonafide_probability": None if mean is None else 1.0 - mean,
        "prediction": _prediction(mean, threshold),
        "confidence": None if mean is None else max(mean, 1.0 - mean),
        "utterance_duration_sec": summary.audio_seconds,
        "n_windows": track.windows,
        "threshold_used": threshold,
        "verdict": summary.verdict.value,
        "reasons": [reason.value for reason in summary.inconclusive_reasons],
        "cumulative_spoof_probability": None
        if cumulative is None
        else cumulative.spoof_probability,
        "spoof_llr": None if cumulative is None else cumulative.spoof_llr,
        "speech_duration_sec": summary.speech_seconds,
        "watermarks": [
            {
                "scheme": found.scheme,
                "offset_sec": found.offset_seconds,
                "confidence": found.confidence,
            }
            for found in summary.watermarks
        ],
        "c2pa": None if manifest is None else manifest.fields(),
        "whole": not any(finding.kind.incomplete for finding in findings),
        "findings": [str(finding) for finding in findings],
    }
    if window_scores:
        fields["window_scores"] = [window.spoof_probability for window in track.scored]
        fields["window_start_sec"] = [window.start_seconds for window in track.scored]
    return fields


def _prediction(mean: float | None, threshold: float) -> str | None:
    if mean is None:
        return None
    return "spoof" if mean >= threshold else "bonafide"


class Display:
    """Shows the results: JSON for each recording at once, or a table at the end.

    Attributes:
        rates: measured error rates of the model, which the table explains; None if unknown.
        rule: how the model forms the cumulative score, which the table explains too.
    """

    def __init__(
        self, *, as_json: bool, threshold: float, window_scores: bool, sought: Sequence[str]
    ) -> None:
        self._as_json = as_json
        self._threshold = threshold
        self._window_scores = window_scores
        self._sought = sought
        self._rows: list[tuple[str, TrackScores]] = []
        self._manifests: dict[str, Manifest] = {}
        self.rates: Rates | None = None
        self.rule = "evidence"

    def add(
        self, recording: Recording, findings: Sequence[Finding], tracks: list[TrackScores]
    ) -> None:
        """Takes the result of one audio track: JSON is shown now, the table at the end."""
        manifest = recording.manifest()
        if manifest is not None:
            self._manifests[recording.name] = manifest
        for track in tracks:
            if self._as_json:
                fields = report(
                    recording,
                    findings,
                    track,
                    self._threshold,
                    window_scores=self._window_scores,
                    manifest=manifest,
                )
                click.echo(json.dumps(fields))
            else:
                self._rows.append((recording.name, track))

    def close(self) -> None:
        """Shows the table, if there is anything to show."""
        if not self._rows:
            return
        console = result_console()
        console.print(_table(self._rows, self._threshold, console.width, self.rule))
        console.print(rates_sentence(self.rates), highlight=False)
        found = {mark.scheme for _, track in self._rows for mark in track.summary.watermarks}
        if missing := [scheme for scheme in self._sought if scheme not in found]:
            names = " or ".join(scheme_name(scheme) for scheme in missing)
            console.print(f"No {names} watermark was found.", highlight=False)
        for name, manifest in self._manifests.items():
            console.print(f"{name}: {manifest}", highlight=False, markup=False, soft_wrap=True)
        if self._window_scores:
            for path, track in self._rows:
                _print_windows(console, path, track)


def _table(rows: list[tuple[str, TrackScores]], threshold: float, width: int, rule: str) -> Table:
    """Builds a table with a row for each channel of each recording."""
    columns = {
        "file": Column("file", least=12),
        "channel": Column("channel", right=True),
        "verdict": Column("verdict", least=14),
        "P": Column("P", right=True),
        "mean P": Column("mean P", right=True, rank=1),
        "by mean P": Column("by mean P", rank=4),
        "seconds": Column("seconds", right=True, rank=2),
        "speech": Column("speech", right=True, rank=3),
        "windows": Column("windows", right=True, rank=5),
    }
    for path, track in rows:
        summary = track.summary
        cumulative = summary.cumulative_score
        reasons = [reason.value for reason in summary.inconclusive_reasons]
        cells: dict[str, Text | str] = {
            "file": path,
            "channel": str(summary.channel),
            "verdict": verdict_text(
                summary.verdict.value, reasons, [found.scheme for found in summary.watermarks]
            ),
            "P": number(None if cumulative is None else cumulative.spoof_probability),
            "mean P": number(track.utterance_probability),
            "by mean P": verdict_text(_prediction(track.utterance_probability, threshold)),
            "seconds": f"{summary.audio_seconds:.1f}",
            "speech": f"{summary.speech_seconds:.1f}",
            "windows": str(track.windows),
        }
        for name, column in columns.items():
            column.add(cells[name])
    several = any(track.summary.channel for _, track in rows)
    shown = [column for name, column in columns.items() if several or name != "channel"]
    return fitted(shown, width, title="P: 1 is synthetic, 0 is human", caption=_CAPTIONS[rule])


def _print_windows(console: Console, path: str, track: TrackScores) -> None:
    console.print(f"{escape(path)}, channel {track.summary.channel}:", highlight=False)
    for window in track.scored:
        span = f"{window.start_seconds:8.2f} - {window.end_seconds:.2f} s"
        console.print(f"{span}  {window.spoof_probability:.3f}", highlight=False)


def rates_of(spec: ModelSpec) -> Rates | None:
    """Returns the model's error rates, unless another threshold is in use."""
    rates = spec.error_rates
    return rates if rates is not None and rates.threshold == spec.cumulative_threshold else None
