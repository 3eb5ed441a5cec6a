"""Scores a manifest with a detector and works out the figures: the inside of ``dfd evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfd.evaluation.audio import AudioCache, decode, level
from dfd.evaluation.corpus import CorpusError, Recording, read_manifest
from dfd.evaluation.figures import evaluate
from dfd.evaluation.scoring import Condition, Scorer, WindowOptions, pool, score_windows

CHUNK_RECORDINGS = 64


def judge(
    manifest: Path,
    audio_root: Path,
    *,
    split: str | None = None,
    model: str = "bundled",
    device: str = "auto",
    seconds: float | None = None,
    condition: Condition | None = None,
    bootstrap_repeats: int = 200,
    expect: Callable[[int], object] = lambda _total: None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Figures (see ``evaluate``) of a detector on a manifest, recordings of any length.

    Raises ``CorpusError`` where the manifest or the model cannot be used, or where the readable
    recordings do not hold both labels.
    """
    recordings = read_manifest(manifest, split)
    expect(len(recordings))
    scorer, options, threshold = load_scorer(model, device)
    windows = []
    for chunk in _decoded(recordings, audio_root):
        windows += score_windows(
            scorer, chunk, options, seconds=seconds, condition=condition, progress=progress
        )
    llrs = pool(windows, options.evidence_correlation)
    usable = ~np.isnan(llrs)
    labels = {row.label for row, keep in zip(recordings, usable, strict=True) if keep}
    if len(labels) < 2:
        raise CorpusError(
            f"{manifest}: {int(usable.sum())} of {len(recordings)} recordings can be read below"
            f" {audio_root}; bona fide and spoof ones are both needed"
        )
    return evaluate(llrs, recordings, threshold=threshold, bootstrap_repeats=bootstrap_repeats)


def load_scorer(model: str, device: str) -> tuple[Scorer, WindowOptions, float]:
    """The detector as served: its scorer, its windows, its cumulative threshold on P(spoof)."""
    from dfd.detector import DetectorError, load_detector

    try:
        detector = load_detector(model, device=device, precision="fp32")
    except DetectorError as error:
        raise CorpusError(str(error)) from error
    spec = detector.spec
    options = WindowOptions(
        window_samples=spec.window_samples,
        hop_samples=spec.hop_samples,
        evidence_correlation=spec.evidence_correlation,
    )

    def score(windows: Tensor, lengths: Tensor) -> Tensor:
        short = spec.window_samples - windows.shape[1]
        if short > 0:
            windows = torch.nn.functional.pad(windows, (0, short))
        made = detector.score(windows.numpy(), lengths.numpy().astype(np.int64))
        return torch.as_tensor(made)

    return score, options, spec.cumulative_threshold


def _decoded(recordings: list[Recording], audio_root: Path) -> Iterator[AudioCache]:
    """Audio of the recordings, a few at a time, levelled as in training."""
    for start in range(0, len(recordings), CHUNK_RECORDINGS):
        part = recordings[start : start + CHUNK_RECORDINGS]
        waves, unreadable = [], {}
        for recording in part:
            try:
                waves.append(level(decode(audio_root / recording.file)))
            except CorpusError as error:
                unreadable[recording.file] = str(error)
                waves.append(np.zeros(0, dtype=np.float32))
        lengths = np.array([wave.size for wave in waves], dtype=np.int64)
        samples = np.zeros((len(part), int(lengths.max(initial=1))), dtype=np.int16)
        for row, wave in enumerate(waves):
            samples[row, : wave.size] = np.round(wave * 32767.0).astype(np.int16)
        yield AudioCache(samples, lengths, unreadable)
