"""The implementation of `dfd evaluate`: from trials and a model, or scores, to all figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, decode
from dfd.evaluation.corpus import Recording
from dfd.evaluation.figures import by_seconds
from dfd.evaluation.figures.baselines import ELSEWHERE, published
from dfd.evaluation.figures.breakdown import METHOD, FigureOptions, bare, evaluate
from dfd.evaluation.figures.curves import curves
from dfd.evaluation.figures.tdcf import AsvScores
from dfd.evaluation.scoring.served import Model
from dfd.evaluation.scoring.trial_scores import TrialScores, generator_of, score_trials
from dfd.evaluation.telephone.conditions import CLEAN, Condition, available
from dfd.evaluation.trials import TrialSet
from dfd.offline.batches import Batches
from dfd.offline.scores import Scores
from dfd.offline.windows import cut

# makes, from a title and a number of steps, a context with a function to call at each step
Bar = Callable[[str, int], AbstractContextManager[Callable[[], None]]]

_STREAM_POINTS = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)


@dataclass(frozen=True)
class RunOptions:
    """What to do beyond scoring.

    Attributes:
        condition: condition applied to all recordings.
        conditions: further conditions, each compared with clean audio in a table.
        by_seconds: whether to compute figures by seconds by_seconds.
        join_unknown_speakers: whether to also join recordings without a speaker into streams.
        most_seconds: use only this much of each recording.
        threshold: threshold on P(spoof), overriding the model's own.
        bootstrap_repeats: samples for the intervals; 0 leaves them out.
        asv: scores of a speaker verification system.
        compare: whether to add published figures.
        jobs: number of threads that decode and apply conditions.
    """

    condition: str = CLEAN
    conditions: tuple[str, ...] = ()
    by_seconds: bool = False
    join_unknown_speakers: bool = False
    most_seconds: float | None = None
    threshold: float | None = None
    bootstrap_repeats: int = 200
    asv: AsvScores | None = None
    compare: bool = False
    jobs: int = 1


def no_bar(_title: str, _total: int) -> AbstractContextManager[Callable[[], None]]:
    """Shows nothing."""
    return nullcontext(lambda: None)


def evaluate_model(
    trials: TrialSet, model: Model, options: RunOptions, bar: Bar = no_bar
) -> tuple[dict[str, Any], Scores]:
    """Scores the trials; returns all figures, and the scores (R,), NaN where there is none.

    Raises:
        UserError: if the condition is unavailable here, or too little can be read.
    """
    wanted = dict.fromkeys((options.condition, *((CLEAN,) if options.conditions else ())))
    conditions, missing = available([*wanted, *options.conditions])
    if options.condition in missing:
        raise UserError(missing[options.condition])
    seconds = [
        value
        for value in by_seconds.SECONDS
        if options.by_seconds and value * SAMPLE_RATE_HZ < model.traits.window_samples
    ]
    with bar("scoring", len(trials.recordings)) as tick:
        scored = score_trials(
            trials.recordings,
            trials.audio_root,
            model,
            conditions=conditions,
            beginnings=seconds,
            most_seconds=options.most_seconds,
            jobs=options.jobs,
            progress=tick,
        )
    llrs = scored.pooled(model, options.condition)
    if options.threshold is None:
        options = replace(options, threshold=model.threshold)
    figures = _figures(trials, llrs, options)
    figures["condition"] = options.condition
    figures["unreadable"] = _unreadable(trials.recordings, llrs, scored.unreadable)
    figures["incomplete"] = {"count": len(scored.incomplete), "files": scored.incomplete}
    if options.by_seconds:
        figures["by_seconds"] = _by_seconds(trials, scored, model, options.condition)
        condition = conditions[options.condition]
        figures["streams_by_seconds"] = _streams(trials, scored, model, condition, options, bar)
    if options.conditions:
        figures["conditions"] = _conditions(trials, scored, model, conditions, options)
        figures["conditions_missing"] = missing
    figures["model"] = model.facts
    return figures, llrs


def evaluate_scores(trials: TrialSet, llrs: Scores, options: RunOptions) -> dict[str, Any]:
    """Computes all figures of given scores (R,), NaN where there is none.

    Raises:
        UserError: if a label has no scores.
    """
    figures = _figures(trials, llrs, options)
    reasons = {
        one.file: "no score"
        for one, llr in zip(trials.recordings, llrs.tolist(), strict=True)
        if np.isnan(llr)
    }
    figures["unreadable"] = _unreadable(trials.recordings, llrs, reasons)
    return figures


def _figures(trials: TrialSet, llrs: Scores, options: RunOptions) -> dict[str, Any]:
    rows, kept = _usable(trials.recordings, llrs)
    labels = np.array([row.label for row in rows], dtype=np.int64)
    if len(set(labels.tolist())) < 2:
        lost = next(one for one, llr in zip(trials.recordings, llrs, strict=True) if np.isnan(llr))
        raise UserError(
            f"{len(rows)} of {len(trials.recordings)} recordings have a score, and bona fide and"
            f" spoof ones are both needed; the first without is {trials.audio_root / lost.file}"
        )
    figures = evaluate(
        kept,
        rows,
        FigureOptions(
            threshold=options.threshold,
            bootstrap_repeats=options.bootstrap_repeats,
            tables=trials.tables,
            asv=options.asv,
        ),
    )
    figures["curves"] = curves(kept, labels)
    figures["trials"] = {
        "dataset": trials.name,
        "subset": trials.subset,
        "list": trials.listed_in.name,
        "listed": len(trials.recordings),
        "official_count": trials.official_count,
        "sha256": trials.sha256,
    }
    if options.compare:
        figures["published"] = published(trials.name)
        figures["published_elsewhere"] = list(ELSEWHERE)
    figures["method"] = METHOD
    return figures


def _usable(
    recordings: Sequence[Recording], llrs: Scores
) -> tuple[list[Recording], npt.NDArray[np.float64]]:
    usable = ~np.isnan(llrs)
    rows = [recording for recording, keep in zip(recordings, usable, strict=True) if keep]
    return rows, llrs[usable]


def _unreadable(
    recordings: Sequence[Recording], llrs: Scores, reasons: dict[str, str]
) -> dict[str, Any]:
    files = [one.file for one, llr in zip(recordings, llrs, strict=True) if np.isnan(llr)]
    return {
        "count": len(files),
        "files": files,
        "reasons": {file: reasons[file] for file in files},
    }


def _by_seconds(
    trials: TrialSet, scored: TrialScores, model: Model, condition: str
) -> list[dict[str, Any]]:
    labels = np.array([one.label for one in trials.recordings], dtype=np.int64)
    windows, lengths = scored.windows[condition], scored.lengths
    made = []
    for seconds in by_seconds.SECONDS:
        scores = by_seconds.scores_at(seconds, windows, scored.beginnings, lengths, model.traits)
        made.append(by_seconds.point(seconds, scores, labels, lengths))
    return made


def _streams(
    trials: TrialSet,
    scored: TrialScores,
    model: Model,
    condition: Condition,
    options: RunOptions,
    bar: Bar,
) -> dict[str, Any]:
    """Computes figures by seconds, for streams joined from one speaker's recordings."""
    rows = trials.recordings
    readable = ~np.isnan(scored.pooled(model, options.condition))
    groups = by_seconds.groups_to_join(
        rows, readable, unknown_speakers=options.join_unknown_speakers
    )
    streams = by_seconds.cut_into_streams(groups, scored.lengths)
    points = [s for s in _STREAM_POINTS if s * SAMPLE_RATE_HZ < model.traits.window_samples]
    beginnings = {seconds: np.full(len(streams), np.nan) for seconds in points}
    batches = Batches(model.scorer, model.traits.window_samples, model.batch)
    windows, lengths = [], np.zeros(len(streams), np.int64)
    with bar("streams", len(streams)) as tick:
        for index, stream in enumerate(streams):
            parts = [
                condition(
                    decode(trials.audio_root / rows[row].file).samples, generator_of(rows[row])
                )
                for row in stream
            ]
            wave = np.concatenate(parts)
            lengths[index] = wave.size
            windows.append(batches.add_windows(cut(wave, model.traits)))
            for seconds, scores in beginnings.items():
                batches.add(wave[: int(seconds * SAMPLE_RATE_HZ)], scores, index)
            tick()
    batches.flush()
    labels = np.array([rows[stream[0]].label for stream in streams], dtype=np.int64)
    made = []
    for seconds in _STREAM_POINTS if streams else ():
        scores = by_seconds.scores_at(seconds, windows, beginnings, lengths, model.traits)
        point = by_seconds.point(seconds, scores, labels, lengths)
        if point["all_there_is"]:
            break
        made.append(point)
    return {
        "streams": len(streams),
        "joined": "same speaker, label, source and system"
        + (", unnamed speakers taken for one" if options.join_unknown_speakers else ""),
        "points": made,
    }


def _conditions(
    trials: TrialSet,
    scored: TrialScores,
    model: Model,
    conditions: dict[str, Condition],
    options: RunOptions,
) -> dict[str, dict[str, Any]]:
    """Computes each condition's figures, and its EER difference from clean."""
    made: dict[str, dict[str, Any]] = {}
    for name in conditions:
        rows, kept = _usable(trials.recordings, scored.pooled(model, name))
        all_figures = evaluate(kept, rows, bare(FigureOptions(threshold=options.threshold)))
        made[name] = {
            **{
                key: all_figures["pooled"][key]
                for key in ("eer", "n_bonafide", "n_spoof", "auc", "min_dcf", "cllr", "min_cllr")
            },
            "within_source_mean_eer": all_figures["within_source_mean_eer"],
            "false_alarm_rate": all_figures["pooled"]["false_alarm_rate"],
            "miss_rate": all_figures["pooled"]["miss_rate"],
        }
    for entry in made.values():
        entry["eer_minus_clean"] = entry["eer"] - made[CLEAN]["eer"]
    return made
