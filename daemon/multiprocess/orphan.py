"""What ends a process whose supervisor is gone, whatever holds it up."""

import os
import select
import socket
import threading

# A worker takes half a second for the last statuses, and its journal five at most.
_SECONDS = 10.0


def end_with(other: socket.socket, seconds: float = _SECONDS) -> None:
    """Ends this process some time after the other end of a socket was closed.

    A worker that hung would hold its calls open, and its share of the port, for ever: signals
    to end are the supervisor's to act on, and nobody else knows of it. So a thread of its own
    looks, which needs nothing of the event loop.
    """
    thread = threading.Thread(
        target=_watch, args=(os.dup(other.fileno()), seconds), name="dfd-orphan", daemon=True
    )
    thread.start()


def _watch(descriptor: int, seconds: float) -> None:
    looking = select.poll()
    looking.register(descriptor, 0)  # closing is reported without being requested
    looking.poll()
    threading.Event().wait(seconds)
    os._exit(1)
