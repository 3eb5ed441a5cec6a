"""`dfd detect`: scores recordings without a daemon, through the daemon's own core."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dfd.cli._errors import PlainVerb
from dfd.cli._model import (
    WATERMARKS_HELP,
    fuse_option,
    load_judge,
    model_options,
    model_overrides,
)
from dfd.cli._outputs import json_option
from dfd.cli._waiting import Waits
from dfd.clients.display.tables import Column, fitted, number, result_console, verdict_text
from dfd.clients.display.verdicts import Rates, rates_sentence
from dfd.clients.sources.recording import Recording, open_recordings
from dfd.detector.spec import LoadedModel, ModelSpec
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError
from dfd.offline.recording import ReadMarks, TrackScores, score_recording
from dfd.recordings import Finding, Manifest, shown
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding, StreamError

# everything readable was scored, but a recording is incomplete
INCOMPLETE = 3
_CHUNK_SECONDS = 1.0
# Nobody waits for an answer here: any batch size will do, and none needs padding.
_BATCH_SIZES = tuple(range(1, 17))


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


class _Display:
    """Shows the results: JSON for each recording at once, or a table at the end."""

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

    def add(
        self, recording: Recording, findings: Sequence[Finding], tracks: list[TrackScores]
    ) -> None:
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
        if not self._rows:
            return
        console = result_console()
        console.print(_table(self._rows, self._threshold, console.width))
        console.print(rates_sentence(self.rates), highlight=False)
        found = {mark.scheme for _, track in self._rows for mark in track.summary.watermarks}
        if missing := [scheme for scheme in self._sought if scheme not in found]:
            console.print(f"No watermark of {', '.join(missing)} was found.", highlight=False)
        for name, manifest in self._manifests.items():
            console.print(f"{name}: {manifest}", highlight=False, markup=False, soft_wrap=True)
        if self._window_scores:
            for path, track in self._rows:
                _print_windows(console, path, track)


def _table(rows: list[tuple[str, TrackScores]], threshold: float, width: int) -> Table:
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
    caption = "P: the evidence of all windows; mean P: the mean of the windows' P"
    return fitted(shown, width, title="P: 1 is synthetic, 0 is human", caption=caption)


def _print_windows(console: Console, path: str, track: TrackScores) -> None:
    console.print(f"{escape(path)}, channel {track.summary.channel}:", highlight=False)
    for window in track.scored:
        span = f"{window.start_seconds:8.2f} - {window.end_seconds:.2f} s"
        console.print(f"{span}  {window.spoof_probability:.3f}", highlight=False)


def _rates(spec: ModelSpec) -> Rates | None:
    """Returns the model's error rates, unless another threshold is in use."""
    rates = spec.error_rates
    return rates if rates is not None and rates.threshold == spec.cumulative_threshold else None


def _complain(message: object) -> None:
    click.echo(f"dfd detect: {' '.join(str(message).split())}", err=True)


@click.command(
    "detect",
    cls=PlainVerb,
    examples=("dfd detect call.wav", "dfd detect --json --window-scores call.wav"),
    read_on="README.md for what the scores mean; docs/cli.md",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option("one line of JSON for each channel")
@model_options
@fuse_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", default="auto", show_default=True, help="auto, fp32, bf16 or fp16.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.0, 1.0),
    default=0.5,
    show_default=True,
    metavar="P",
    help="Mean P(spoof) from which the prediction is spoof; the verdict uses the model's own.",
)
@click.option("--watermarks", default="", metavar="SCHEMES", help=WATERMARKS_HELP)
@click.option("--window-scores", is_flag=True, help="Show the P(spoof) of every window too.")
def command(
    files: tuple[str, ...],
    as_json: bool,
    model: str,
    fuse: str | None,
    device: str,
    precision: str,
    threshold: float,
    watermarks: str,
    window_scores: bool,
    **facts: Any,
) -> None:
    """Score recordings without a daemon; - reads standard input.

    Each channel of each audio track gets two scores: the mean of the windows' P(spoof), which
    --threshold turns into a prediction (the first window's P(spoof), for a model whose authors
    scored files by it), and the cumulative score of a live stream, which decides the verdict.

    Exit status 2 means that a file could not be read; 3 that one is cut short, damaged, or contains
    more than was read. Each such file is named.
    """
    schemes = named(watermarks)
    display = _Display(
        as_json=as_json,
        threshold=threshold,
        window_scores=window_scores,
        sought=[scheme.name for scheme in schemes],
    )
    failed = incomplete = False
    detector: LoadedModel | None = None
    read_marks: ReadMarks | None = None
    overrides = model_overrides(facts)
    waits = Waits("detect")
    with waits.bar("scoring", len(files)) as tick:
        for path in files:
            tick(0, shown(path))
            try:
                recordings = open_recordings(path)
            except UserError as error:
                _complain(error)
                failed = True
                continue
            if detector is None:
                with waits.bar("loading the model"):
                    from dfd.detector import load_detector

                    load = partial(
                        load_detector,
                        device=device,
                        precision=precision,
                        batch_buckets=_BATCH_SIZES,
                        warm=False,
                        overrides=overrides,
                    )
                    detector = load_judge(model, fuse, load)
                    if schemes:
                        from dfd.detector.watermarks.readers import Readers

                        read_marks = Readers(schemes).read
            try:
                display.rates = _rates(detector.spec)
                for recording in recordings:
                    findings, tracks = _score(recording, detector, window_scores, read_marks)
                    display.add(recording, findings, tracks)
                    for finding in findings:
                        _complain(f"{recording.name}: {finding}")
                        incomplete = incomplete or finding.kind.incomplete
            except UserError as error:
                _complain(error)
                failed = True
            except StreamError as error:
                _complain(f"{shown(path)}: {error}")
                failed = True
            tick(1, shown(path))
    display.close()
    if failed:
        sys.exit(2)
    if incomplete:
        sys.exit(INCOMPLETE)


def _score(
    recording: Recording,
    detector: LoadedModel,
    window_scores: bool,
    read_marks: ReadMarks | None,
) -> tuple[list[Finding], list[TrackScores]]:
    """Scores one audio track; also returns what was wrong with it."""
    found = recording.audio_format
    audio_format = AudioFormat(
        Encoding(found.encoding.value), found.sample_rate_hz, found.channel_count
    )
    chunks = recording.chunks(_CHUNK_SECONDS)
    try:
        tracks = score_recording(
            chunks, audio_format, detector, keep_windows=window_scores, read_marks=read_marks
        )
    finally:
        chunks.close()
    return chunks.findings, tracks
