"""Which recordings make a training batch: as many of either label, evenly out of each bank.

Balancing sources and systems was tried and is no better (docs/detector-log.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfd.evaluation.audio import AudioCache
from dfd.evaluation.corpus import Recording

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bank:
    """Recordings of one origin with their audio.

    ``kind`` says which shares apply. Row ``i`` of ``samples`` int16 (N, row) belongs to
    ``recordings[i]``, and that of ``clean`` is the same before something was done to it; None
    where nothing was. ``taught`` says whether teachers have an opinion on it.
    """

    kind: str
    recordings: Sequence[Recording]
    samples: npt.NDArray[np.int16]
    lengths: IntArray
    clean: npt.NDArray[np.int16] | None = None
    taught: bool = True


class Batch(NamedTuple):
    """Crops: ``waves`` and ``clean`` float32 (B, N), ``lengths`` and ``labels`` int64 (B,).

    ``clean`` is what teachers hear; what they say counts where ``taught`` bool (B,) is true.
    """

    waves: Tensor
    clean: Tensor
    lengths: Tensor
    labels: Tensor
    taught: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(*(part.to(device) for part in self))


def bank_of(cache: AudioCache, recordings: Sequence[Recording]) -> Bank:
    """The bank of a decoded manifest; unreadable recordings (length 0) are never drawn."""
    return Bank("original", recordings, cache.samples, cache.lengths)


class Sampler:
    """Draws waveforms for training batches from several banks."""

    def __init__(self, banks: Sequence[Bank], seed: int) -> None:
        self.banks = banks
        self.generator = np.random.default_rng(seed)
        self.share({bank.kind: (1.0, 1.0) for bank in banks})

    def share(self, shares: Mapping[str, tuple[float, float]]) -> None:
        """Set the shares of bona fide and of spoof crops that each kind of bank gets.

        Raises ``ValueError`` where a label is left without recordings.
        """
        self._rows = [self._table(label, shares) for label in (0, 1)]

    def _table(
        self, label: int, shares: Mapping[str, tuple[float, float]]
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Bank, row and probability of every usable recording of one label."""
        where, rows, weights = [], [], []
        for number, bank in enumerate(self.banks):
            alike = sum(other.kind == bank.kind for other in self.banks)
            share = shares.get(bank.kind, (0.0, 0.0))[label] / alike
            picked = [
                row
                for row, recording in enumerate(bank.recordings)
                if recording.label == label and bank.lengths[row] > 0
            ]
            if not picked or share <= 0:
                continue
            where.append(np.full(len(picked), number))
            rows.append(np.array(picked))
            weights.append(np.full(len(picked), share / len(picked)))
        if not where:
            raise ValueError(f"no recordings of label {label} to train on")
        weight = np.concatenate(weights)
        return np.concatenate(where), np.concatenate(rows), weight / weight.sum()

    def draw(self, batch: int, samples: int) -> Batch:
        """Random crops of ``samples``; a shorter recording is taken whole and zero-padded."""
        labels = np.arange(batch) % 2
        waves = np.zeros((batch, samples), dtype=np.float32)
        clean = np.zeros((batch, samples), dtype=np.float32)
        lengths = np.zeros(batch, dtype=np.int64)
        taught = np.ones(batch, dtype=bool)
        for slot, label in enumerate(labels):
            where, rows, weight = self._rows[label]
            pick = int(self.generator.choice(len(rows), p=weight))
            bank = self.banks[where[pick]]
            row = int(rows[pick])
            have = int(bank.lengths[row])
            start = int(self.generator.integers(0, max(1, have - samples + 1)))
            stop = min(have, start + samples)
            lengths[slot] = stop - start
            waves[slot, : stop - start] = bank.samples[row, start:stop] / 32768.0
            before = bank.samples if bank.clean is None else bank.clean
            clean[slot, : stop - start] = before[row, start:stop] / 32768.0
            taught[slot] = bank.taught
        arrays = (waves, clean, lengths, labels, taught)
        return Batch(*(torch.from_numpy(array) for array in arrays))
