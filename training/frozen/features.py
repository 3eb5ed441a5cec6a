"""Features of all recordings of a split, on all cores, cached on disk.

Each thread takes a batch of recordings of similar length from decoding to features, with torch's
operators on one core: that keeps every core busy, which the operators of one batch would not.
Results are written in parts, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dfd.evaluation.audio import SAMPLE_RATE_HZ
from dfd.training.frozen.embedding import Embedder
from dfd.training.frozen.recipe import FrozenRecipe
from dfd.training.frozen.spectral import names, spectral_features
from dfd.training.material.clips import Clips, collate, prefetch

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

PART_RECORDINGS = 512


@dataclass(frozen=True)
class Features:
    """`spectral` float32 (N, 15) and `embeddings` float32 (N, hidden) of N recordings.

    Rows of recordings that could not be decoded are NaN.
    """

    spectral: FloatArray
    embeddings: FloatArray

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Whether each recording has features, (N,)."""
        return np.asarray(~np.isnan(self.spectral[:, 0]))

    def columns(self, kind: str) -> FloatArray:
        """Returns `spectral`, `embeddings`, or both side by side (`all`)."""
        if kind == "all":
            return np.concatenate((self.spectral, self.embeddings), axis=1)
        made: FloatArray = getattr(self, kind)
        return made


def extract(
    clips: Clips,
    embedder: Embedder,
    recipe: FrozenRecipe,
    *,
    device: torch.device,
    workers: int,
    folder: Path | None = None,
    identity: str = "",
    progress: Callable[[int], None] = lambda _done: None,
) -> Features:
    """Returns the features of every recording; parts found in `folder` are reused.

    `identity` identifies the backbone's weights; it is part of the key of the cache, with the
    options and the files.
    """
    count = len(clips.recordings)
    spectral = np.full((count, len(names(recipe.spectral))), np.nan, dtype=np.float32)
    embeddings = np.full((count, embedder.size), np.nan, dtype=np.float32)
    embedder.to(device)
    kept = None if folder is None else folder / f"features-{_key(clips, recipe, identity)}"
    with _one_thread_each(workers, device):
        for start in range(0, count, PART_RECORDINGS):
            rows = np.arange(start, min(start + PART_RECORDINGS, count))
            file = None if kept is None else kept / f"{start:07d}.npz"
            part = None if file is None else _read(file, len(rows))
            if part is None:
                part = _extract(clips, rows, embedder, recipe, device, workers)
                if file is not None:
                    _write(file, part)
            for row in rows[~part.usable]:
                clips.read(int(row))  # notes why it is left out
            spectral[rows], embeddings[rows] = part.spectral, part.embeddings
            progress(len(rows))
    return Features(spectral, embeddings)


def _extract(
    clips: Clips,
    rows: IntArray,
    embedder: Embedder,
    recipe: FrozenRecipe,
    device: torch.device,
    workers: int,
) -> Features:
    spectral = np.full((len(rows), len(names(recipe.spectral))), np.nan, dtype=np.float32)
    embeddings = np.full((len(rows), embedder.size), np.nan, dtype=np.float32)
    most = int(recipe.longest_seconds * SAMPLE_RATE_HZ)

    def work(places: IntArray) -> tuple[IntArray, FloatArray, FloatArray] | None:
        waves = [clips.read(int(rows[place])) for place in places]
        heard = [wave[:most] for wave in waves if wave is not None]
        kept = np.array([p for p, w in zip(places, waves, strict=True) if w is not None], np.int64)
        if not heard:
            return None
        batch = collate(heard, [0] * len(heard))
        with torch.inference_mode():
            hand = spectral_features(batch.waves, batch.lengths, recipe.spectral)
            mean = embedder(batch.waves.to(device), batch.lengths.to(device))
        return kept, hand.numpy(), mean.cpu().numpy()

    lengths = np.minimum(clips.lengths[rows], most)
    for made in prefetch(work, batches_of(lengths, recipe.batch_seconds), workers):
        if made is not None:
            places, hand, mean = made
            spectral[places], embeddings[places] = hand, mean
    return Features(spectral, embeddings)


def batches_of(lengths: IntArray, batch_seconds: float) -> list[IntArray]:
    """Puts all recordings into batches of similar length and limited audio, longest first."""
    order = np.argsort(-lengths, kind="stable")
    most = batch_seconds * SAMPLE_RATE_HZ
    made: list[IntArray] = []
    at = 0
    while at < len(order):
        size = max(1, int(most // max(1, lengths[order[at]])))
        made.append(order[at : at + size])
        at += size
    return made


@contextmanager
def _one_thread_each(workers: int, device: torch.device) -> Iterator[None]:
    """Limits torch's operators to one core while several threads compute on the CPU."""
    before = torch.get_num_threads()
    if device.type == "cpu" and workers > 1:
        torch.set_num_threads(max(1, before // workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _key(clips: Clips, recipe: FrozenRecipe, identity: str) -> str:
    facts = {"spectral": asdict(recipe.spectral), "longest": recipe.longest_seconds}
    digest = hashlib.sha256(json.dumps([identity, facts]).encode())
    for recording, length in zip(clips.recordings, clips.lengths, strict=True):
        size = (clips.root / recording.file).stat().st_size
        digest.update(f"{recording.file}\t{length}\t{size}\n".encode())
    return digest.hexdigest()[:16]


def _read(file: Path, count: int) -> Features | None:
    try:
        with np.load(file) as held:
            part = Features(held["spectral"], held["embeddings"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return part if len(part.spectral) == count else None


def _write(file: Path, part: Features) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.stem}.partial.npz")
    np.savez(partial, spectral=part.spectral, embeddings=part.embeddings)
    partial.replace(file)
