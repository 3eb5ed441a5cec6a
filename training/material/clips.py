"""Audio for an epoch, decoded by several threads while the network computes.

libav and NumPy release the interpreter, so threads are enough; a batch is the unit of work, and is
ready when the training step needs it. The random choices for a batch come from its own generator,
so a resumed run hears the same audio.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfd.errors import UserError
from dfd.evaluation.audio import decode, samples_by_header
from dfd.evaluation.corpus import Recording
from dfd.training.material.splits import require_both

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Job = TypeVar("Job")
Made = TypeVar("Made")

SCAN_FILES = 64
# Shuffled recordings are sorted by length within groups of this many batches.
NEIGHBOURHOOD_BATCHES = 50


@dataclass
class Clips:
    """Recordings below `root` that have audio; `lengths` int64 (N,) in samples at 16 kHz.

    `unreadable` maps file names to reasons; files that prove to be broken when they are decoded
    are added. `incomplete` does the same for files that are used although a part is missing.
    """

    recordings: list[Recording]
    root: Path
    lengths: IntArray
    unreadable: dict[str, str] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def labels(self) -> IntArray:
        """Labels (N,), 1 for spoof."""
        return np.array([recording.label for recording in self.recordings], dtype=np.int64)

    def read(self, row: int) -> FloatArray | None:
        """Reads a recording as 16 kHz mono (n,); a broken one gives None and is noted."""
        file = self.recordings[row].file
        try:
            decoded = decode(self.root / file)
        except UserError as error:
            with self._lock:
                self.unreadable[file] = str(error)
            return None
        if decoded.missing:
            with self._lock:
                self.incomplete[file] = decoded.missing
        return decoded.samples


@dataclass(frozen=True)
class Batch:
    """`waves` float32 (B, N), zero past `lengths` int64 (B,); `labels` int64 (B,)."""

    waves: Tensor
    lengths: Tensor
    labels: Tensor


def scan(
    recordings: Sequence[Recording],
    root: Path,
    where: str,
    *,
    workers: int,
    progress: Callable[[int], None] = lambda _done: None,
) -> Clips:
    """Reads every file's header; files that cannot be opened are left out and named.

    Raises:
        UserError: if a label is left without a file.
    """
    parts = [
        range(at, min(at + SCAN_FILES, len(recordings)))
        for at in range(0, len(recordings), SCAN_FILES)
    ]

    def measure(rows: range) -> list[int | str]:
        return [_samples(root / recordings[row].file) for row in rows]

    found: list[int | str] = []
    for part in prefetch(measure, parts, workers):
        found += part
        progress(len(part))
    pairs = list(zip(recordings, found, strict=True))
    unreadable = {row.file: size for row, size in pairs if isinstance(size, str)}
    kept = [(row, size) for row, size in pairs if isinstance(size, int)]
    if not kept:
        reason = next(iter(unreadable.values()), "there are none")
        raise UserError(f"{where}: no recording below {root} can be read ({reason})")
    require_both([row for row, _ in kept], f"{where} (readable below {root})")
    lengths = np.array([size for _, size in kept], dtype=np.int64)
    return Clips([row for row, _ in kept], root, lengths, unreadable)


def _samples(path: Path) -> int | str:
    """Returns the samples at 16 kHz according to a file's header, or why there are none."""
    try:
        return max(1, samples_by_header(path))
    except UserError as error:
        return str(error)


def batches_by_length(
    lengths: IntArray, batch: int, generator: np.random.Generator
) -> list[IntArray]:
    """Puts every row into a batch of rows of similar length, in random order.

    The last batch of a group may be smaller.
    """
    order = generator.permutation(len(lengths))
    size = batch * NEIGHBOURHOOD_BATCHES
    made: list[IntArray] = []
    for at in range(0, len(order), size):
        near = order[at : at + size]
        near = near[np.argsort(lengths[near], kind="stable")]
        made += [near[start : start + batch] for start in range(0, len(near), batch)]
    return [made[index] for index in generator.permutation(len(made))]


def collate(pieces: Sequence[FloatArray], labels: Sequence[int], samples: int = 0) -> Batch:
    """Pads pieces with zeros to `samples`, or to the longest if that is 0."""
    size = samples or max(piece.size for piece in pieces)
    waves = np.zeros((len(pieces), size), dtype=np.float32)
    for slot, piece in enumerate(pieces):
        waves[slot, : piece.size] = piece
    lengths = torch.tensor([piece.size for piece in pieces])
    return Batch(torch.from_numpy(waves), lengths, torch.tensor(list(labels)))


def prefetch(work: Callable[[Job], Made], jobs: Iterable[Job], workers: int) -> Iterator[Made]:
    """Yields results of `work` in the order of `jobs`, computed ahead by `workers` threads."""
    if workers < 1:
        yield from map(work, jobs)
        return
    source = iter(jobs)
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="clips")
    try:
        for job in source:
            waiting.append(pool.submit(work, job))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
