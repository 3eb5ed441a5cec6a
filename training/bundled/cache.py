"""Audio decoded once: all recordings of a manifest as rows of one int16 memory map.

A row is 16 kHz mono, its mean removed, scaled so that its root mean square is -26 dBFS (less
where that would clip), zero-padded at the end. Decoding compressed audio every epoch would cost
more than the training step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dfd.errors import UserError
from dfd.evaluation.audio import AudioCache, decode, level
from dfd.evaluation.corpus import Recording

ROW_SAMPLES = 67_200


def build_cache(
    recordings: Sequence[Recording],
    audio_root: Path,
    folder: Path,
    *,
    row_samples: int = ROW_SAMPLES,
    progress: Callable[[], None] | None = None,
) -> AudioCache:
    """Decodes `recordings` below `audio_root` into `folder`, or reuses what is there.

    The cache is keyed by the file names, their sizes and the row length, so a changed corpus is
    decoded anew.
    """
    key = _key(recordings, audio_root, row_samples)
    data_path, meta_path = folder / f"{key}.i16", folder / f"{key}.json"
    shape = (len(recordings), row_samples)
    if meta_path.exists() and data_path.exists():
        meta = json.loads(meta_path.read_text(encoding="utf-8"))
        samples = np.memmap(data_path, dtype=np.int16, mode="r", shape=shape)
        lengths = np.asarray(meta["lengths"], dtype=np.int64)
        return AudioCache(samples, lengths, dict(meta["unreadable"]), key)
    folder.mkdir(parents=True, exist_ok=True)
    writable = np.memmap(data_path, dtype=np.int16, mode="w+", shape=shape)
    lengths = np.zeros(len(recordings), dtype=np.int64)
    unreadable: dict[str, str] = {}
    for index, recording in enumerate(recordings):
        try:
            wave = level(decode(audio_root / recording.file).samples[:row_samples])
        except UserError as error:
            unreadable[recording.file] = str(error)
        else:
            lengths[index] = wave.size
            writable[index, : wave.size] = np.round(wave * 32767.0).astype(np.int16)
        if progress is not None:
            progress()
    writable.flush()
    meta_path.write_text(json.dumps({"lengths": lengths.tolist(), "unreadable": unreadable}))
    return AudioCache(writable, lengths, unreadable, key)


def _key(recordings: Sequence[Recording], audio_root: Path, row_samples: int) -> str:
    digest = hashlib.sha256(f"{row_samples}".encode())
    for recording in recordings:
        path = audio_root / recording.file
        size = path.stat().st_size if path.exists() else -1
        digest.update(f"{recording.file}\t{size}\n".encode())
    return digest.hexdigest()[:16]
