"""False alerts per hour of bona fide recordings, joined into long streams like live ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dfd.detector.spec import LoadedModel
from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray, decode
from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures.false_alarms import CONFIDENCE
from dfd.evaluation.scoring.trial_scores import generator_of
from dfd.evaluation.telephone.conditions import Condition
from dfd.offline.recording import score_recording
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding

# takes the audio of a stream, in pieces, to the number of alerts
CountAlerts = Callable[[Iterator[FloatArray]], int]


def alerts_of(detector: LoadedModel) -> CountAlerts:
    """Returns what counts the alerts of a detector on a stream of mono audio."""
    audio_format = AudioFormat(Encoding.FLOAT32, SAMPLE_RATE_HZ)

    def count_alerts(audio: Iterator[FloatArray]) -> int:
        chunks = (wave.astype("<f4").tobytes() for wave in audio)
        (track,) = score_recording(chunks, audio_format, detector)
        return sum(not alert.cleared for alert in track.alerts)

    return count_alerts


def false_alerts(
    recordings: Sequence[Recording],
    audio_root: Path,
    count_alerts: CountAlerts,
    condition: Condition,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Counts alerts per hour of human speech, with one stream for each speaker of each source.

    `condition` is applied to every recording first. The interval of the rate is Garwood's (1936),
    which is exact for independent alerts. Recordings of a source without a speaker make one stream,
    whose voice then changes within it; these are reported separately, in `unnamed_speakers`.
    Unreadable recordings are left out.
    """
    streams: dict[tuple[str, str], list[Recording]] = defaultdict(list)
    for one in recordings:
        if one.label == 0:
            streams[one.source, one.speaker].append(one)
    rows = []
    for (source, speaker), parts in streams.items():
        audio = _Joined(parts, audio_root, condition, progress)
        alerts = count_alerts(iter(audio))
        rows.append(
            {
                "source": source,
                "speaker": speaker,
                "recordings": len(parts) - audio.unreadable,
                "hours": audio.samples / SAMPLE_RATE_HZ / 3600,
                "alerts": alerts,
            }
        )
    rows = [row for row in rows if row["recordings"]]
    return {
        **_total(rows),
        "named_speakers": _total([row for row in rows if row["speaker"]]),
        "unnamed_speakers": _total([row for row in rows if not row["speaker"]]),
        "by_source": {
            source: _total([row for row in rows if row["source"] == source])
            for source in sorted({str(row["source"]) for row in rows})
        },
        "streams": rows,
    }


class _Joined:
    """The audio of several recordings, one after the other; counts the samples it has yielded."""

    def __init__(
        self,
        parts: Sequence[Recording],
        audio_root: Path,
        condition: Condition,
        progress: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._audio_root = audio_root
        self._condition = condition
        self._progress = progress
        self.samples = 0
        self.unreadable = 0

    def __iter__(self) -> Iterator[FloatArray]:
        for part in self._parts:
            try:
                clean = decode(self._audio_root / part.file).samples
            except UserError:
                self.unreadable += 1
            else:
                wave = self._condition(clean, generator_of(part))
                self.samples += wave.size
                yield np.clip(wave, -1.0, 1.0)
            self._progress()


def _total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    hours, alerts = sum(row["hours"] for row in rows), sum(row["alerts"] for row in rows)
    return {
        "alerts_per_hour": alerts / hours if hours else None,
        "alerts_per_hour_interval": _rate_interval(alerts, hours) if hours else None,
        "alerts": alerts,
        "hours": hours,
        "stream_count": len(rows),
        "streams_that_alerted": sum(row["alerts"] > 0 for row in rows),
    }


def _rate_interval(events: int, hours: float) -> list[float]:
    from scipy.stats import chi2

    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(chi2.ppf(tail, 2 * events)) / 2.0 if events else 0.0
    return [low / hours, float(chi2.ppf(1.0 - tail, 2 * events + 2)) / 2.0 / hours]
