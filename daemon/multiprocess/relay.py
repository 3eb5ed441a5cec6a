"""Lets a watcher of one worker see the streams of all: the supervisor's part of `siblings`."""

from collections.abc import Callable

from dfd.daemon.multiprocess.control import Gone, Show, Shown
from dfd.daemon.multiprocess.process import Process


class Relay:
    """Passes streams from worker to worker while any of them has watchers.

    Args:
        workers: gives those that run.
    """

    def __init__(self, workers: Callable[[], list[Process]]) -> None:
        self._workers = workers

    def serving(self, worker: Process) -> None:
        """Handles a worker that now accepts streams, which others may be watching."""
        if self._watched_beside(worker):
            worker.control.send(Show(True))

    def watched(self, worker: Process, watched: bool) -> None:
        """Handles the arrival of a worker's first watcher, or the end of its last."""
        worker.watched = watched
        for other in self._workers():
            if other is not worker:
                other.control.send(Show(self._watched_beside(other)))

    def shown(self, worker: Process, message: Shown) -> None:
        """Passes a worker's streams on to the watchers of others."""
        for other in self._workers():
            if other.watched and other is not worker:
                other.control.send(message)

    def gone(self, worker: Process) -> None:
        """Handles the death of a worker with its streams and watchers."""
        for other in self._workers():
            if other.watched and other is not worker:
                other.control.send(Gone(worker.index))
        if worker.watched:
            self.watched(worker, False)

    def _watched_beside(self, worker: Process) -> bool:
        return any(other.watched for other in self._workers() if other is not worker)
