"""Figures by seconds of audio: of recordings, and of streams joined from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures import metrics
from dfd.offline.scores import Scores, WindowScores
from dfd.streaming.options import ModelTraits

SECONDS = (1.0, 2.0, 4.0, 8.0)
STREAM_SECONDS = 32.0
# share of bona fide that may be alarmed where the share of missed spoofs is stated
FALSE_ALARMS = 0.01

IntArray = npt.NDArray[np.int64]


def scores_at(
    seconds: float,
    windows: Sequence[WindowScores],
    beginnings: dict[float, Scores],
    lengths: IntArray,
    model: ModelTraits,
) -> Scores:
    """Returns the score of each recording (R,) after a time; shorter ones are used whole.

    The score is NaN if no window with enough speech has ended by then, as a stream has no score.

    Args:
        seconds: the time; it may be shorter than a window only if `beginnings` has it.
        windows: scored windows of each recording.
        beginnings: LLRs (R,) of the first seconds, by seconds.
        lengths: lengths of the recordings, in samples.
        model: how they were cut, and how their scores are combined.
    """
    end_sample = int(seconds * SAMPLE_RATE_HZ)
    made = np.full(len(windows), np.nan)
    for row, scores in enumerate(windows):
        if seconds in beginnings and lengths[row] > end_sample:
            made[row] = beginnings[seconds][row]
        else:
            made[row] = scores.until(end_sample).score(model)
    return made


def point(seconds: float, scores: Scores, labels: IntArray, lengths: IntArray) -> dict[str, Any]:
    """Computes the figures after a time; scores that are NaN are left out.

    `heard_whole` counts recordings shorter than `seconds`. If all are, `all_there_is` is true: the
    point says nothing about more speech.
    """
    usable = ~np.isnan(scores) & (lengths > 0)
    scores, labels, lengths = scores[usable], labels[usable], lengths[usable]
    whole = lengths < int(seconds * SAMPLE_RATE_HZ)
    both = len(set(labels.tolist())) == 2
    made: dict[str, Any] = {
        "seconds": seconds,
        "eer": metrics.eer(scores, labels) if both else None,
        "miss_rate_at_1_percent": (
            metrics.miss_rate_at(FALSE_ALARMS, scores, labels) if both else None
        ),
        "n_bonafide": int((labels == 0).sum()),
        "n_spoof": int((labels == 1).sum()),
        "heard_whole": int(whole.sum()),
        "all_there_is": bool(whole.all()),
        "mean_seconds_heard": float(np.minimum(lengths / SAMPLE_RATE_HZ, seconds).mean()),
    }
    for label, word in enumerate(("bonafide", "spoof")):
        of_label = scores[labels == label]
        quartiles = np.quantile(of_label, [0.25, 0.5, 0.75]).tolist() if of_label.size else None
        made[f"llr_quartiles_{word}"] = quartiles
    return made


def groups_to_join(
    recordings: Sequence[Recording], usable: npt.NDArray[np.bool_], *, unknown_speakers: bool
) -> list[list[int]]:
    """Returns groups of two or more rows with the same speaker, label, source and system.

    Each group can be joined into one stream. Recordings without a speaker are included only with
    `unknown_speakers`.
    """
    groups: dict[tuple[str, int, str, str], list[int]] = defaultdict(list)
    for row, one in enumerate(recordings):
        if usable[row] and (one.speaker or unknown_speakers):
            groups[one.speaker, one.label, one.source, one.system].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def cut_into_streams(
    groups: Sequence[Sequence[int]], lengths: IntArray, seconds: float = STREAM_SECONDS
) -> list[list[int]]:
    """Returns the rows of each stream: recordings of a group in order, up to a length."""
    streams = []
    for rows in groups:
        stream: list[int] = []
        for row in rows:
            stream.append(row)
            if lengths[stream].sum() >= seconds * SAMPLE_RATE_HZ:
                streams.append(stream)
                stream = []
        if len(stream) > 1:
            streams.append(stream)
    return streams
