"""The folder of evidence clips: writes FLAC in a thread of its own, within its limits."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dfd.daemon.journal.clips import CallClips, Clip
from dfd.daemon.logs import log
from dfd.errors import UserError

_WAITING = 64
_CLOSE_SECONDS = 5.0
_SWEEP_SECONDS = 600.0


class ClipFolder:
    """Writes clips, and deletes those beyond a number of days or bytes, oldest first.

    Args:
        folder: created if it does not exist, readable by its owner only.
        days, most_bytes: limits on what is kept.
        written: called in the folder's thread with each clip and the SHA-256 of its file.

    Raises:
        UserError: if it cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        days: float,
        most_bytes: int,
        written: Callable[[Clip, str], None] | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._days = days
        self._most_bytes = most_bytes
        self._written = written
        self._queue: queue.Queue[Clip | None] = queue.Queue(_WAITING)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = folder / f".{os.getpid()}.probe"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"evidence clips cannot be written to {folder}: {error.strerror}"
            ) from None
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
        self._thread.start()

    def call(self) -> CallClips:
        """Returns the clips of one call."""
        return CallClips(self._folder, self._put)

    def close(self) -> None:
        """Writes what is waiting, for a limited time."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)

    def sweep(self) -> None:
        """Deletes what is too old, then the oldest clips until the rest is small enough."""
        found = []
        for path in self._folder.glob("*.flac"):
            with contextlib.suppress(OSError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in found)
        oldest = time.time() - self._days * 86_400.0
        for made_at, size, path in sorted(found):
            if made_at >= oldest and total <= self._most_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size

    def _put(self, clip: Clip) -> None:
        try:
            self._queue.put_nowait(clip)
        except queue.Full:
            log(logging.ERROR, "an evidence clip was dropped", waiting=_WAITING)

    def _run(self) -> None:
        while True:
            self.sweep()
            try:
                clip = self._queue.get(timeout=_SWEEP_SECONDS)
            except queue.Empty:
                continue
            if clip is None:
                return
            try:
                sha256 = _write(clip)
                if self._written is not None:
                    self._written(clip, sha256)
            except (OSError, RuntimeError) as error:
                log(logging.ERROR, "an evidence clip cannot be written", reason=str(error))


def _write(clip: Clip) -> str:
    """Writes under another name until the file is complete; returns its SHA-256."""
    import soundfile

    part = clip.path.with_suffix(".part")
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            soundfile.write(
                file, clip.samples, clip.sample_rate_hz, format="FLAC", subtype="PCM_16"
            )
        with part.open("rb") as whole:
            sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
        part.replace(clip.path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return sha256
