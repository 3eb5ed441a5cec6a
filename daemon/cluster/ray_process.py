"""The process that calls a Ray cluster, as the daemon sees it."""

import contextlib
import importlib.util
import itertools
import socket
import subprocess
import sys
import threading
import time
import weakref
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.cluster.messages import Answer, Begin, Ready, Request
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
        self._numbers = itertools.count()
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

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64], seconds: float
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths to LLRs (B,).

        Raises:
            GoneError: if the process has ended.
            TimeoutError: if no replica answers in time.
            UserError: with what a replica raised, or why none answers.
        """
        with self._lock:
            number, until = next(self._numbers), time.monotonic() + seconds
            try:
                self._connection.send(Request(number, windows, lengths))
                while True:
                    answer = self._receive(until - time.monotonic())
                    # others belong to calls that were given up
                    if isinstance(answer, Answer) and answer.number == number:
                        break
            except OSError as error:
                raise GoneError from error
        if isinstance(answer.found, str):
            raise UserError(f"the Ray cluster does not score: {answer.found}")
        return answer.found

    def _receive(self, seconds: float) -> object:
        if not self._connection.poll(max(0.0, seconds)):
            raise TimeoutError("no replica of the Ray cluster answers in time")
        try:
            said: object = self._connection.recv()
        except EOFError as error:
            raise GoneError from error
        return said


def _end(process: "subprocess.Popen[bytes]", connection: "Connection[Any, Any]") -> None:
    with contextlib.suppress(OSError):
        connection.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
