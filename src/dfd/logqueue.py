"""A queue of log lines for standard error, which may be a pipe that nobody reads.

Logging never blocks: lines go into a bounded queue, which a thread empties. Lines for which there
is no room are dropped and counted, and the count is reported in the log itself.
"""

import contextlib
import io
import logging
import os
import threading
import time
from collections.abc import Callable
from logging.handlers import QueueHandler
from queue import Empty, Full, Queue
from typing import Any, TextIO

# A few MiB at most; a burst of a thousand streams makes three thousand lines.
CAPACITY = 10_000
_LAST_SECONDS = 2.0


class LineQueue(QueueHandler):
    """Formats lines in the caller's thread and writes them in its own.

    Args:
        stream: where the lines go.
        capacity: the most lines that may wait.

    Attributes:
        dropped: total number of lines for which there was no room.
    """

    def __init__(self, stream: TextIO, capacity: int = CAPACITY) -> None:
        self._lines: Queue[Any] = Queue(capacity)
        super().__init__(self._lines)
        self.dropped = 0
        self._told = 0
        self._write = _writer(stream)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="dfd-log", daemon=True)
        self._thread.start()

    def prepare(self, record: logging.LogRecord) -> str:
        """Formats the line at once, since its arguments may have changed when it is written."""
        return self.format(record)

    def enqueue(self, line: Any) -> None:
        """Queues a line without ever waiting."""
        try:
            self._lines.put_nowait(line)
        except Full:
            self.dropped += 1

    def flush(self) -> None:
        """Waits a moment for queued lines to be written; a full pipe gets no longer than that."""
        end = time.monotonic() + _LAST_SECONDS
        while self._lines.unfinished_tasks and time.monotonic() < end and self._thread.is_alive():
            time.sleep(0.005)

    def close(self) -> None:
        """Stops the thread if possible, without ever delaying the end of the process."""
        self.flush()
        self._ended.set()
        self._thread.join(0.5)
        super().close()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                line = self._lines.get(timeout=0.2)
            except Empty:
                continue
            # a closed pipe or a full disk must not end it
            with contextlib.suppress(OSError, ValueError):
                self._write(f"{line}\n")
                self._tell_dropped()
            self._lines.task_done()

    def _tell_dropped(self) -> None:
        dropped = self.dropped
        if dropped != self._told:
            lost, self._told = dropped - self._told, dropped
            record = logging.LogRecord(
                "dfd", logging.WARNING, "", 0, "log lines dropped", None, None
            )
            record.fields = {"lines": lost}
            self._write(f"{self.format(record)}\n")


def _writer(stream: TextIO) -> Callable[[str], object]:
    """Returns a writer that bypasses Python's buffer, whose lock a hung thread would keep."""
    try:
        descriptor = stream.fileno()
    except (io.UnsupportedOperation, ValueError):
        return stream.write

    def write(text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(descriptor, data) :]

    return write
