import logging
import os
import threading

from dfd.loglines import TextFormatter
from dfd.logqueue import LineQueue


def record(event: str) -> logging.LogRecord:
    return logging.LogRecord("dfd", logging.INFO, "", 0, event, None, None)


def test_a_full_pipe_blocks_nothing_and_lost_lines_are_counted() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as read_end, os.fdopen(writing, "w") as write_end:
        queue = LineQueue(write_end, capacity=10)
        queue.setFormatter(TextFormatter())
        done = threading.Event()

        def log() -> None:
            for number in range(200):
                queue.handle(record(f"{number} " + 2000 * "x"))
            done.set()

        threading.Thread(target=log, daemon=True).start()
        assert done.wait(10)
        assert queue.dropped >= 200 - 10 - 40
        lines: list[bytes] = []

        def read() -> None:
            lines.extend(iter(read_end.readline, b""))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        queue.flush()
        queue.handle(record("the last"))
        queue.close()
        write_end.close()
        reader.join(10)
    assert any(b"the last" in line for line in lines)
    told = [int(line.rsplit(b"lines=")[1]) for line in lines if b"log lines dropped" in line]
    assert sum(told) == queue.dropped
    assert len(lines) - len(told) == 201 - queue.dropped


def test_closing_does_not_wait_for_a_full_pipe() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "w") as write_end:
        queue = LineQueue(write_end)
        for _ in range(100):
            queue.handle(record(5000 * "x"))
        closing = threading.Thread(target=queue.close)
        closing.start()
        closing.join(10)
        assert not closing.is_alive()
