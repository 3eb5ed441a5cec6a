"""The daemon's journal: a thread that writes entries in order.

Whatever is waiting when a commit ends goes into the next one, so that a hundred streams need no
more commits than one. What the database does not accept is kept and retried, up to a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dfd.daemon.journal.clips import Clip
from dfd.daemon.journal.entries import Entry, JournalError
from dfd.daemon.logs import log
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions

if TYPE_CHECKING:
    from dfd.daemon.journal.store import Store

_MOST_AT_ONCE = 1000
_RETRY_SECONDS = 1.0
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    entries: Sequence[Entry]
    kept: asyncio.Future[bool]


class Journal:
    """Writes entries to a store; belongs to one event loop.

    Args:
        store: used only by the journal's thread, from `start` on.
        metrics: counts what was recorded and what was not.
        stops: whether calls end when the journal is down.
        backlog: entries kept while the database is down; beyond it new ones are dropped.
        answer_seconds: a commit that takes longer counts as not made.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        stops: bool,
        backlog: int = 100_000,
        answer_seconds: float = 5.0,
    ) -> None:
        self.stops = stops
        self._store = store
        self._metrics = metrics
        self._most = backlog
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Parcel | None] = queue.SimpleQueue()
        self._down = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def down(self) -> bool:
        """Whether the last attempt failed."""
        return self._down

    def put_clip(self, clip: Clip, sha256: str) -> None:
        """Records a clip that was written; may be called from any thread."""
        values = {
            "clip": str(clip.path),
            "written_at": datetime.now(UTC),
            "seconds": len(clip.samples) / clip.sample_rate_hz,
            "sha256": sha256,
        }
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.put, [Entry("dfd_clips", values)])

    def put(self, entries: Sequence[Entry]) -> asyncio.Future[bool]:
        """Queues entries; the future is True once they are durable, False if they are not."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self._queue.put(_Parcel(entries, future))
        if self._down:  # they are kept for later, but callers do not wait for that
            future.set_result(False)
        return future

    async def kept(self, future: asyncio.Future[bool]) -> bool:
        """Waits for a future of `put`, for as long as a commit may take."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await asyncio.shield(future)
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Writes what is waiting, for a limited time, and ends the thread."""
        self._closing = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, _CLOSE_SECONDS)
        if self._thread.is_alive():
            log(logging.ERROR, "the journal did not stop in time; its last entries may be lost")

    def _run(self) -> None:
        waiting: list[Entry] = []
        open_ = True
        while open_ or waiting:
            parcels, open_ = self._take(bool(waiting), open_)
            waiting += self._fitting(parcels, len(waiting))
            if not waiting:
                self._answer(parcels, kept=True)
                continue
            try:
                self._store.write(waiting)
            except JournalError as error:
                self._failed(str(error))
                self._answer(parcels, kept=False)
                if self._closing:
                    log(logging.ERROR, "journal entries are lost", entries=len(waiting))
                    break
            else:
                self._metrics.journal_entries.labels("kept").inc(len(waiting))
                waiting = []
                self._recovered()
                self._answer(parcels, kept=True)
        self._store.close()

    def _take(self, retrying: bool, open_: bool) -> tuple[list[_Parcel], bool]:
        """Returns what is waiting: at least one parcel, unless there is something to retry."""
        parcels: list[_Parcel] = []
        entries = 0
        timeout = _RETRY_SECONDS if retrying else None
        while open_ and entries < _MOST_AT_ONCE:
            try:
                first = not parcels
                parcel = self._queue.get(block=first, timeout=timeout if first else None)
            except queue.Empty:
                break
            if parcel is None:
                open_ = False
                break
            parcels.append(parcel)
            entries += len(parcel.entries)
        return parcels, open_

    def _fitting(self, parcels: list[_Parcel], waiting: int) -> list[Entry]:
        entries = [entry for parcel in parcels for entry in parcel.entries]
        room = max(0, self._most - waiting)
        if len(entries) > room and self._down:
            self._metrics.journal_entries.labels("dropped").inc(len(entries) - room)
            return entries[:room]
        return entries

    def _answer(self, parcels: list[_Parcel], *, kept: bool) -> None:
        def answer() -> None:
            for parcel in parcels:
                if not parcel.kept.done():
                    parcel.kept.set_result(kept)

        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody is waiting
            self._loop.call_soon_threadsafe(answer)

    def _failed(self, reason: str) -> None:
        self._metrics.journal_failures.inc()
        if not self._down:
            self._down = True
            self._metrics.journal_up.set(0)
            log(logging.ERROR, "the journal cannot be written", reason=reason, stops=self.stops)

    def _recovered(self) -> None:
        self._metrics.journal_up.set(1)
        if self._down:
            self._down = False
            log(logging.WARNING, "the journal can be written again")


def open_journal(options: ServeOptions, metrics: Metrics) -> Journal:
    """Opens the journal; the database library is imported only here.

    Raises:
        UserError: if it cannot be opened.
    """
    from dfd.daemon.journal.store import Store

    assert options.journal is not None
    store = Store(options.journal, create=True)
    return Journal(store, metrics, stops=options.journal_failure == "stop")
