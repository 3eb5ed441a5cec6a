"""All streams of a daemon, and their watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from dfd.daemon.errors import StatusError
from dfd.daemon.watch.sight import CHANGE_POINTS, LOST, SNAPSHOT_POINTS, RemoteSight, Sight, Subject
from dfd.v1 import detection_pb2 as pb

MAX_WATCHERS = 64
# ended streams that a watcher has not fetched; beyond this a new snapshot is less work
_MAX_BACKLOG = 1024
# streams in one response, so that the loop can serve others in between
_ANSWER_STREAMS = 64


class Watcher:
    """What one watcher has yet to receive: at most the last state of each stream.

    Args:
        everything: the streams in the snapshot.
    """

    def __init__(self, everything: Callable[[], list[Subject]]) -> None:
        self._everything = everything
        self._behind = True
        self._changed: dict[str, Subject] = {}
        self._ended = 0
        self._wake = asyncio.Event()
        self._wake.set()

    def tell(self, subject: Subject, *, ended: bool = False) -> None:
        """Notes that a stream changed."""
        self._wake.set()
        if self._behind:
            return
        self._changed[subject.key] = subject
        self._ended += ended
        if self._ended > _MAX_BACKLOG:
            self.refresh()

    def refresh(self) -> None:
        """Starts again with a snapshot."""
        self._behind = True
        self._changed.clear()
        self._ended = 0
        self._wake.set()

    async def until_changed(self) -> None:
        """Waits until there is something to send."""
        await self._wake.wait()

    def take(self) -> Iterator[pb.WatchStreamsResponse]:
        """Yields the responses that bring the watcher up to date, none of them large."""
        self._wake.clear()
        snapshot, points = self._behind, CHANGE_POINTS
        subjects = list(self._changed.values())
        if snapshot:
            subjects, points = self._everything(), SNAPSHOT_POINTS
        self._changed, self._ended, self._behind = {}, 0, False
        for at in range(0, max(len(subjects), snapshot), _ANSWER_STREAMS):
            part = [one.message(points) for one in subjects[at : at + _ANSWER_STREAMS]]
            yield pb.WatchStreamsResponse(snapshot=snapshot and at == 0, streams=part)


class Roster:
    """The streams; belongs to one event loop.

    Attributes:
        on_watched: called when the first watcher arrives and when the last one leaves.
        closed: set when the daemon ends, so that watchers leave.
    """

    def __init__(self) -> None:
        self.on_watched: Callable[[bool], None] | None = None
        self.closed = asyncio.Event()
        self._own: dict[str, Sight] = {}
        self._others: dict[str, tuple[int, RemoteSight]] = {}
        self._watchers: set[Watcher] = set()
        self._siblings: set[Watcher] = set()

    def enter(self, sight: Sight) -> None:
        """Adds a stream."""
        self._own[sight.key] = sight
        self.changed(sight)

    def changed(self, sight: Sight) -> None:
        """Notes that a stream of this process changed."""
        for watcher in self._watchers | self._siblings:
            watcher.tell(sight)

    def leave(self, sight: Sight, reason: str) -> None:
        """Removes a stream that ended."""
        del self._own[sight.key]
        sight.end(reason)
        for watcher in self._watchers | self._siblings:
            watcher.tell(sight, ended=True)

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Watches the streams of the whole daemon.

        Raises:
            StatusError: with TOO_MANY_WATCHERS.
        """
        if len(self._watchers) >= MAX_WATCHERS:
            raise StatusError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_WATCHERS",
                f"{MAX_WATCHERS} watchers are already connected; close one, or try again later",
                metadata={"max_watchers": str(MAX_WATCHERS)},
            )
        watcher = Watcher(
            lambda: [*self._own.values(), *(sight for _, sight in self._others.values())]
        )
        self._watchers.add(watcher)
        if len(self._watchers) == 1 and self.on_watched is not None:
            self.on_watched(True)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)
            if not self._watchers:
                self._others.clear()
                if self.on_watched is not None:
                    self.on_watched(False)

    @contextmanager
    def watch_own(self) -> Iterator[Watcher]:
        """Watches the streams of this process alone, for another process that has watchers."""
        watcher = Watcher(lambda: list(self._own.values()))
        self._siblings.add(watcher)
        try:
            yield watcher
        finally:
            self._siblings.remove(watcher)

    def told(self, process: int, stream: pb.WatchedStream) -> None:
        """Notes the state of a stream of another process."""
        if not self._watchers:
            return
        known = self._others.get(stream.key)
        sight = RemoteSight(stream) if known is None else known[1]
        if known is not None:
            sight.tell(stream)
        ended = bool(stream.end_reason)
        if ended:
            self._others.pop(stream.key, None)
        else:
            self._others[stream.key] = (process, sight)
        for watcher in self._watchers:
            watcher.tell(sight, ended=ended)

    def keep_only(self, process: int, keys: set[str]) -> None:
        """Keeps only these streams of another process; the others were lost with it."""
        lost = [key for key, (of, _) in self._others.items() if of == process and key not in keys]
        for key in lost:
            _, sight = self._others.pop(key)
            sight.end(LOST)
            for watcher in self._watchers:
                watcher.tell(sight, ended=True)
