"""The process that is a member of a Ray cluster for the daemon, as the daemon sees it."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from dfd.daemon.cluster.messages import Begin, Found, Look, Ready, Replica
from dfd.daemon.engine_address import EngineAddress
from dfd.daemon.options import ServeOptions
from dfd.errors import UserError

_CODE = "from dfd.daemon.cluster.ray_caller import main; main()"
_START_SECONDS = 600.0
_END_SECONDS = 15.0


class GoneError(Exception):
    """The process has ended, because its node or the cluster's head is gone."""


class RayProcess:
    """One process; it has joined the cluster when this is created.

    Attributes:
        spec: the facts of the model.
        head: "HOST:PORT" of the cluster's head.

    Raises:
        UserError: if there is no cluster, or its engine does not become ready.
    """

    def __init__(self, address: EngineAddress, options: ServeOptions) -> None:
        if importlib.util.find_spec("ray") is None:
            raise UserError("a Ray cluster needs the package ray: pip install 'dfd[ray]'")
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(number)], pass_fds=[number], stdout=2
        )
        theirs.close()
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self.close = weakref.finalize(self, _end, process, self._connection)
        self._lock = threading.Lock()
        try:
            self._connection.send(Begin(address, options))
            said = self._receive(_START_SECONDS)
        except (GoneError, OSError, TimeoutError):
            self.close()
            raise UserError(f"the Ray cluster at {address.place} did not admit this node") from None
        if isinstance(said, UserError):
            self.close()
            raise said
        assert isinstance(said, Ready)
        self.spec, self.head = said.spec, said.head

    def follow(self, update: Callable[[Sequence[Replica]], None]) -> None:
        """Passes on which replicas there are, until the process has ended."""
        while True:
            try:
                said = self._receive(None)
            except (GoneError, OSError):
                return
            if isinstance(said, Found):
                update(said.replicas)

    def look(self) -> None:
        """Asks which replicas there are."""
        with contextlib.suppress(OSError), self._lock:
            self._connection.send(Look())

    def _receive(self, seconds: float | None) -> object:
        if not self._connection.poll(seconds):
            raise TimeoutError
        try:
            said: object = self._connection.recv()
        except EOFError as error:
            raise GoneError from error
        return said


def _end(process: "subprocess.Popen[bytes]", connection: "Connection[Any, Any]") -> None:
    with contextlib.suppress(OSError):
        # closing alone would not wake the thread that reads, and the other side would not see it
        with socket.socket(fileno=os.dup(connection.fileno())) as both:
            both.shutdown(socket.SHUT_RDWR)
        connection.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
