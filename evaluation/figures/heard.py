"""Evidence as it arrives: figures by seconds heard, of recordings and of streams made of them."""

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

IntArray = npt.NDArray[np.int64]


def scores_at(
    seconds: float,
    windows: Sequence[WindowScores],
    beginnings: dict[float, Scores],
    lengths: IntArray,
    model: ModelTraits,
) -> Scores:
    """Score of each recording (R,) after so many seconds; one that is shorter is heard whole.

    NaN stands where no window with enough speech has ended by then, as a stream has no score.

    Args:
        seconds: shorter than a window only where `beginnings` has them.
        windows: of each recording, scored.
        beginnings: LLRs (R,) of the first seconds, by seconds.
        lengths: of the recordings, in samples.
        model: how they were cut, and what they say together.
    """
    heard = int(seconds * SAMPLE_RATE_HZ)
    made = np.full(len(windows), np.nan)
    for row, scores in enumerate(windows):
        if seconds in beginnings and lengths[row] > heard:
            made[row] = beginnings[seconds][row]
        else:
            made[row] = scores.until(heard).score(model)
    return made


def point(seconds: float, scores: Scores, labels: IntArray, lengths: IntArray) -> dict[str, Any]:
    """Figures of one moment; scores NaN are left out.

    `heard_whole` counts recordings shorter than `seconds`. Where that is all of them,
    `all_there_is` is true: the point says nothing of more speech than there is.
    """
    usable = ~np.isnan(scores) & (lengths > 0)
    scores, labels, lengths = scores[usable], labels[usable], lengths[usable]
    whole = lengths < int(seconds * SAMPLE_RATE_HZ)
    both = len(set(labels.tolist())) == 2
    made: dict[str, Any] = {
        "seconds": seconds,
        "eer": metrics.eer(scores, labels) if both else None,
        "n_bonafide": int((labels == 0).sum()),
        "n_spoof": int((labels == 1).sum()),
        "heard_whole": int(whole.sum()),
        "all_there_is": bool(whole.all()),
        "mean_seconds_heard": float(np.minimum(lengths / SAMPLE_RATE_HZ, seconds).mean()),
    }
    for label, word in enumerate(("bonafide", "spoof")):
        mine = scores[labels == label]
        quartiles = np.quantile(mine, [0.25, 0.5, 0.75]).tolist() if mine.size else None
        made[f"llr_quartiles_{word}"] = quartiles
    return made


def groups_to_join(
    recordings: Sequence[Recording], usable: npt.NDArray[np.bool_], *, unknown_speakers: bool
) -> list[list[int]]:
    """Rows that may be heard as one stream: same speaker, label, source and system, two or more.

    Recordings without a speaker are joined only by `unknown_speakers`.
    """
    groups: dict[tuple[str, int, str, str], list[int]] = defaultdict(list)
    for row, one in enumerate(recordings):
        if usable[row] and (one.speaker or unknown_speakers):
            groups[one.speaker, one.label, one.source, one.system].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def cut_into_streams(
    groups: Sequence[Sequence[int]], lengths: IntArray, seconds: float = STREAM_SECONDS
) -> list[list[int]]:
    """Rows of each stream: recordings of one group in order, until they last so many seconds."""
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
