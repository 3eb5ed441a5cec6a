"""The statement of `dfd calibrate` from half of the human voices, tested on the other half."""

import csv
import random
from dataclasses import replace

import pytest

from dfd.clients.sources.recording import open_recordings
from dfd.detector import Detector, load_detector
from dfd.evaluation.calibrate import fit, score_calls
from dfd.offline.recording import score_recording
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding
from tests.detector.checkpoints import CORPUS

SOURCES = (
    "jimbozhang/speechocean762",
    "flashspeech/flashspeech.github.io",
    "KurdishBLARK/BD-4SK-ASR",
)
# for clips of 4 s without pauses, so that a few of a hundred raise an alert
PER_HOUR = 40.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (CORPUS / "manifest.tsv").exists(),
        reason="the corpus is not here: name it by DFD_CORPUS",
    ),
]


class Rethresholded:
    """A detector with thresholds of its own."""

    def __init__(self, detector: Detector, threshold: float) -> None:
        self.spec = replace(
            detector.spec, rolling_threshold=threshold, cumulative_threshold=threshold
        )
        self.score = detector.score


def alarms(path: str, detector: Rethresholded) -> bool:
    """Returns whether a recording raises an alert as a stream."""
    raised = False
    for recording in open_recordings(path):
        found = recording.audio_format
        audio = AudioFormat(
            Encoding(found.encoding.value), found.sample_rate_hz, found.channel_count
        )
        tracks = score_recording(recording.chunks(1.0), audio, detector)
        raised = raised or any(track.alerts for track in tracks)
    return raised


def test_the_other_half_alarms_as_often_as_stated() -> None:
    with (CORPUS / "manifest.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    people = [
        str(CORPUS / row["file"])
        for row in rows
        if row["split"] == "dev" and row["label"] == "bonafide" and row["source"] in SOURCES
    ]
    random.Random(18).shuffle(people)
    half = len(people) // 2
    ours, others = people[:half], people[half:]
    detector = load_detector(device="cpu", warm=False, batch_buckets=(1, 2, 4))
    calls = [call for path in ours for call in score_calls(path, detector)]
    threshold = fit(calls, [], detector.spec, PER_HOUR).threshold
    judge = Rethresholded(detector, threshold.value)
    count = sum(alarms(path, judge) for path in others)
    low, high = threshold.again
    said = f"{count} of {len(others)}; {low} to {high} stated from {len(ours)}; {threshold}"
    print(said)
    assert low <= count <= high, said
    assert high < 0.25 * len(others), said  # otherwise the interval says nothing
