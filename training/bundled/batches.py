"""Draws training batches: as many recordings of either label, some of them in pairs.

Rows 2k and 2k + 1 of a batch are a bona fide crop and a spoof. In a pair both come from one
source, so that microphone and room tell nothing about the label.
"""

from __future__ import annotations

from collections import defaultdict
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

    `kind` says which shares apply. Row `i` of `samples` int16 (N, row) belongs to
    `recordings[i]`, and row `i` of `clean` is the same before it was altered; None if nothing was.
    `taught` says whether the teachers' scores of it count.
    """

    kind: str
    recordings: Sequence[Recording]
    samples: npt.NDArray[np.int16]
    lengths: IntArray
    clean: npt.NDArray[np.int16] | None = None
    taught: bool = True


@dataclass(frozen=True)
class Drawing:
    """How recordings are drawn from a bank.

    `root_sources` draws sources in proportion to the square root of their size, and likewise
    systems within a source; otherwise every recording is equally likely. `paired_chance` is the
    chance of a pair, drawn from the banks that have sources with both labels.
    """

    root_sources: bool = False
    paired_chance: float = 0.0


class Batch(NamedTuple):
    """Crops: `waves` and `clean` float32 (B, N), `lengths` and `labels` int64 (B,).

    Teachers hear `clean`; their scores count where `taught` bool (B,) is true. `paired` bool (B,)
    is true for both crops of a pair.
    """

    waves: Tensor
    clean: Tensor
    lengths: Tensor
    labels: Tensor
    taught: Tensor
    paired: Tensor

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on another device."""
        return Batch(*(part.to(device) for part in self))


def bank_of(cache: AudioCache, recordings: Sequence[Recording]) -> Bank:
    """Returns the bank of a decoded manifest; unreadable recordings (length 0) are never drawn."""
    return Bank("original", recordings, cache.samples, cache.lengths)


class _Table(NamedTuple):
    """Recordings to draw from: bank, row, and the probabilities' running sum, ending at 1."""

    where: IntArray
    rows: IntArray
    rising: FloatArray

    def draw(self, generator: np.random.Generator) -> tuple[int, int]:
        pick = min(int(np.searchsorted(self.rising, generator.random())), len(self.rows) - 1)
        return int(self.where[pick]), int(self.rows[pick])


class Sampler:
    """Draws waveforms for training batches from several banks."""

    def __init__(
        self,
        banks: Sequence[Bank],
        seed: int,
        drawing: Drawing = Drawing(),
    ) -> None:
        self.banks = banks
        self.drawing = drawing
        self.generator = np.random.default_rng(seed)
        self.share({bank.kind: (1.0, 1.0) for bank in banks})

    def share(self, shares: Mapping[str, tuple[float, float]]) -> None:
        """Sets the shares of bona fide and of spoof crops that each kind of bank gets.

        Raises:
            ValueError: if a label is left without recordings.
        """
        self._tables = [self._table(label, shares) for label in (0, 1)]
        self._partners: dict[tuple[int, str], IntArray] = {}
        self._pairs: _Table | None = None
        if self.drawing.paired_chance > 0:
            self._pair_up(shares)

    def _weights(self, bank: Bank, picked: Sequence[int]) -> FloatArray:
        """Returns the probabilities of some rows of a bank, by source and system."""
        if not self.drawing.root_sources:
            return np.full(len(picked), 1 / len(picked))
        of_source: dict[str, int] = defaultdict(int)
        of_system: dict[tuple[str, str], int] = defaultdict(int)
        keys = []
        for row in picked:
            recording = bank.recordings[row]
            # for bona fide recordings, the speaker takes the place of the system
            maker = recording.system if recording.label else recording.speaker
            keys.append((recording.source, maker))
            of_source[recording.source] += 1
            of_system[keys[-1]] += 1
        roots: dict[str, float] = defaultdict(float)
        for (source, _), count in of_system.items():
            roots[source] += count**0.5
        weights = np.array(
            [
                of_source[source] ** 0.5 / roots[source] / of_system[(source, maker)] ** 0.5
                for source, maker in keys
            ]
        )
        return np.asarray(weights / weights.sum())

    def _table(self, label: int, shares: Mapping[str, tuple[float, float]]) -> _Table:
        """Returns every usable recording of one label."""
        where, rows, weights = [], [], []
        for number, bank in enumerate(self.banks):
            alike = sum(other.kind == bank.kind for other in self.banks)
            share = shares.get(bank.kind, (0.0, 0.0))[label] / alike
            picked = _usable(bank, label)
            if not picked or share <= 0:
                continue
            where.append(np.full(len(picked), number))
            rows.append(np.array(picked))
            weights.append(share * self._weights(bank, picked))
        if not where:
            raise ValueError(f"no recordings of label {label} to train on")
        return _Table(np.concatenate(where), np.concatenate(rows), _rising(np.concatenate(weights)))

    def _pair_up(self, shares: Mapping[str, tuple[float, float]]) -> None:
        """Finds the spoofs of sources that also have bona fide recordings, and those recordings."""
        where, rows, weights = [], [], []
        for number, bank in enumerate(self.banks):
            share = min(shares.get(bank.kind, (0.0, 0.0)))
            people: dict[str, list[int]] = defaultdict(list)
            for row in _usable(bank, 0):
                people[bank.recordings[row].source].append(row)
            spoofs = [
                row
                for row in _usable(bank, 1)
                if len(people.get(bank.recordings[row].source, ())) > 1
            ]
            if not spoofs or share <= 0:
                continue
            for source, found in people.items():
                self._partners[(number, source)] = np.array(found)
            where.append(np.full(len(spoofs), number))
            rows.append(np.array(spoofs))
            weights.append(share * self._weights(bank, spoofs))
        if where:
            rising = _rising(np.concatenate(weights))
            self._pairs = _Table(np.concatenate(where), np.concatenate(rows), rising)

    def _picks(self) -> tuple[tuple[int, int], tuple[int, int], bool]:
        """Draws bank and row of a bona fide recording and of a spoof; tells if they are a pair."""
        if self._pairs is not None and self.generator.random() < self.drawing.paired_chance:
            number, row = self._pairs.draw(self.generator)
            partners = self._partners[(number, self.banks[number].recordings[row].source)]
            return (number, int(self.generator.choice(partners))), (number, row), True
        bona_fide, spoof = (table.draw(self.generator) for table in self._tables)
        return bona_fide, spoof, False

    def draw(self, batch: int, samples: int) -> Batch:
        """Draws random crops of `samples`; a shorter recording is taken whole and zero-padded."""
        waves = np.zeros((batch, samples), dtype=np.float32)
        clean = np.zeros((batch, samples), dtype=np.float32)
        lengths = np.zeros(batch, dtype=np.int64)
        taught = np.ones(batch, dtype=bool)
        paired = np.zeros(batch, dtype=bool)
        for slot in range(0, batch, 2):
            *picks, together = self._picks()
            paired[slot : slot + 2] = together
            for at, (number, row) in enumerate(picks, start=slot):
                bank = self.banks[number]
                have = int(bank.lengths[row])
                start = int(self.generator.integers(0, max(1, have - samples + 1)))
                stop = min(have, start + samples)
                lengths[at] = stop - start
                waves[at, : stop - start] = bank.samples[row, start:stop] / 32768.0
                before = bank.samples if bank.clean is None else bank.clean
                clean[at, : stop - start] = before[row, start:stop] / 32768.0
                taught[at] = bank.taught
        arrays = (waves, clean, lengths, np.arange(batch) % 2, taught, paired)
        return Batch(*(torch.from_numpy(array) for array in arrays))


def _usable(bank: Bank, label: int) -> list[int]:
    return [
        row
        for row, recording in enumerate(bank.recordings)
        if recording.label == label and bank.lengths[row] > 0
    ]


def _rising(weights: FloatArray) -> FloatArray:
    return np.asarray(np.cumsum(weights) / weights.sum())
