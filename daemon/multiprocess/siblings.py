"""Sharing of streams between workers, so that a watcher of one sees the streams of all."""

import asyncio
from collections.abc import Iterable

from dfd.daemon import background
from dfd.daemon.multiprocess.channel import ControlChannel
from dfd.daemon.multiprocess.control import Shown, Watched
from dfd.daemon.watch.roster import Roster, Watcher
from dfd.v1 import detection_pb2 as pb

_INTERVAL_SECONDS = 0.25
_MESSAGE_BYTES = 64 << 10


class Siblings:
    """One worker's part: it sends its streams while others are watched, and receives theirs.

    Args:
        index: the worker's number.
    """

    def __init__(self, index: int, roster: Roster, control: ControlChannel) -> None:
        self._index = index
        self._roster = roster
        self._control = control
        self._showing: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None
        self._running: dict[int, set[str]] = {}
        roster.on_watched = self._watched

    def show(self, wanted: bool) -> None:
        """Starts to send this worker's streams, all of them first, or stops."""
        if self._showing is None:
            if wanted:
                self._showing = asyncio.create_task(self._show())
        elif not wanted:
            self._showing.cancel()
            self._showing = self._watcher = None
        elif self._watcher is not None:  # another worker has a watcher now, too
            self._send(self._watcher)
            self._watcher.refresh()

    def shown(self, message: Shown) -> None:
        """Receives streams of another worker."""
        if message.begins:
            self._running[message.worker] = set()
        for raw in message.streams:
            stream = pb.WatchedStream.FromString(raw)
            if message.worker in self._running:
                self._running[message.worker].add(stream.key)
            self._roster.told(message.worker, stream)
        if message.ends and (keys := self._running.pop(message.worker, None)) is not None:
            self._roster.keep_only(message.worker, keys)

    def gone(self, worker: int) -> None:
        """Drops the streams of another worker that died."""
        self._running.pop(worker, None)
        self._roster.keep_only(worker, set())

    async def close(self) -> None:
        """Stops sending."""
        await background.end(self._showing)

    def _watched(self, watched: bool) -> None:
        self._running.clear()
        self._control.send(Watched(watched))

    async def _show(self) -> None:
        with self._roster.watch_own() as watcher:
            self._watcher = watcher
            while True:
                await watcher.until_changed()
                self._send(watcher)
                await asyncio.sleep(_INTERVAL_SECONDS)

    def _send(self, watcher: Watcher) -> None:
        answers = list(watcher.take())
        snapshot = any(answer.snapshot for answer in answers)
        parts = _parts(one.SerializeToString() for answer in answers for one in answer.streams)
        for at, part in enumerate(parts):
            begins, ends = snapshot and at == 0, snapshot and at == len(parts) - 1
            self._control.send(Shown(self._index, begins, ends, part))


def _parts(streams: Iterable[bytes]) -> list[list[bytes]]:
    """Splits streams into messages that fit a socket; returns at least one."""
    parts: list[list[bytes]] = [[]]
    size = 0
    for stream in streams:
        size += len(stream)
        if size > _MESSAGE_BYTES and parts[-1]:
            parts.append([])
            size = len(stream)
        parts[-1].append(stream)
    return parts
