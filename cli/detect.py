"""`dfd detect`: scores recordings without a daemon, through the daemon's own core."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from dfd.cli._detected import Display, rates_of
from dfd.cli._errors import PlainVerb
from dfd.cli._model import (
    WATERMARKS_HELP,
    fuse_option,
    load_judge,
    model_options,
    model_overrides,
    precision_option,
)
from dfd.cli._outputs import json_option
from dfd.cli._waiting import Waits
from dfd.clients.sources.recording import Recording, open_recordings
from dfd.detector.spec import LoadedModel
from dfd.detector.watermarks.schemes import named
from dfd.errors import UserError
from dfd.offline.recording import ReadMarks, TrackScores, score_recording
from dfd.recordings import Finding, shown
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding, StreamError

# everything readable was scored, but a recording is incomplete
INCOMPLETE = 3
_CHUNK_SECONDS = 1.0
# Nobody waits for an answer here: any batch size will do, and none needs padding.
_BATCH_SIZES = tuple(range(1, 17))


def _warn(message: object) -> None:
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
@precision_option("auto")
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
    display = Display(
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
                _warn(error)
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
                display.rates = rates_of(detector.spec)
                display.rule = detector.spec.utterance_score
                for recording in recordings:
                    findings, tracks = _score(recording, detector, window_scores, read_marks)
                    display.add(recording, findings, tracks)
                    for finding in findings:
                        _warn(f"{recording.name}: {finding}")
                        incomplete = incomplete or finding.kind.incomplete
            except UserError as error:
                _warn(error)
                failed = True
            except StreamError as error:
                _warn(f"{shown(path)}: {error}")
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
