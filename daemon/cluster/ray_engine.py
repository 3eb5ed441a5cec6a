"""The classifier of a Ray cluster, as a daemon on one of its nodes uses it."""

import logging
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.cluster.ray_process import RayProcess
from dfd.daemon.cluster.ray_replicas import Replicas
from dfd.daemon.engine_address import LOCAL, EngineAddress, check_reachable
from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.load import load_local
from dfd.detector.spec import LoadedModel, ModelSpec
from dfd.errors import UserError

_AGAIN_SECONDS = 1.0
# With a model of its own, a daemon waits this long for the cluster, and after that leaves it alone.
_PATIENCE_SECONDS = 1.0
_PAUSE_SECONDS = 5.0


class RayEngine:
    """Scores windows on the replicas of a cluster, and by a model of its own while it is away.

    Attributes:
        spec: the facts of the model as the replicas loaded it.

    Raises:
        UserError: if there is no cluster, or its engine does not become ready.
    """

    def __init__(self, address: EngineAddress, options: ServeOptions) -> None:
        if address.place not in ("auto", LOCAL):
            check_reachable(address.place)
        member = _Member(address, options)
        weakref.finalize(self, member.leave)
        self._replicas = member.replicas
        self._here = _own(member.spec, options) if address.fallback == LOCAL else None
        self.spec = replace(member.spec, engine=f"ray/{member.spec.engine}")
        self._resting_until = 0.0
        self._scored_here = False
        self._seconds = _PATIENCE_SECONDS if self._here else options.batch_timeout_seconds

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths to LLRs (B,).

        Raises:
            TimeoutError: if a replica does not answer in time.
            UserError: with what a replica raised, or what kept all replicas from answering.
        """
        here = self._here
        if here is None:
            return self._replicas.score(windows, lengths, self._seconds)
        if time.monotonic() >= self._resting_until:
            try:
                llrs = self._replicas.score(windows, lengths, self._seconds)
            except (TimeoutError, UserError) as error:
                self._resting_until = time.monotonic() + _PAUSE_SECONDS
                log(logging.WARNING, "the Ray cluster does not answer", why=str(error))
            else:
                if self._scored_here:
                    self._scored_here = False
                    log(logging.WARNING, "the Ray cluster scores again")
                return llrs
        if not self._scored_here:
            self._scored_here = True
            log(logging.WARNING, "scoring on this machine until the Ray cluster answers")
        return here.score(windows, lengths)


class _Member:
    """A membership of the cluster, which is renewed until it is left.

    Attributes:
        spec: the facts of the model.
        replicas: those that the cluster has now.

    Raises:
        UserError: if there is no cluster, or its engine does not become ready.
    """

    def __init__(self, address: EngineAddress, options: ServeOptions) -> None:
        self._address, self._options = address, options
        self._process = RayProcess(address, options)
        self.replicas = Replicas(lambda: self._process.look())
        self.spec, self._head = self._process.spec, self._process.head
        self._left = False
        threading.Thread(target=self._follow, name="dfd-ray", daemon=True).start()

    def leave(self) -> None:
        """Ends it."""
        self._left = True
        self._process.close()

    def _follow(self) -> None:
        """Keeps the list of replicas, and joins the cluster again, or the one in its place."""
        while True:
            self._process.follow(self.replicas.update)
            if self._left or not self._process.close.alive:
                return  # this daemon ends, or has another engine
            log(logging.ERROR, "the Ray cluster, or this machine's node of it, is gone")
            self.replicas.lost()
            self._process.close()  # which may take seconds
            process = self._joined_again()
            if process is None:
                return
            if process.spec.weights_sha256 != self.spec.weights_sha256:
                log(logging.ERROR, "the Ray cluster serves another model now; restart this daemon")
                process.close()
                return
            self._head, self._process = process.head, process
            log(logging.WARNING, "joined the Ray cluster again", head=process.head)

    def _joined_again(self) -> RayProcess | None:
        while not self._left:
            time.sleep(_AGAIN_SECONDS)
            try:
                if self._address.place != LOCAL:  # which brings its own
                    check_reachable(self._head)
                return RayProcess(self._address, self._options)
            except UserError as error:
                log(logging.DEBUG, "no Ray cluster yet", why=str(error))
        return None


def _own(spec: ModelSpec, options: ServeOptions) -> LoadedModel:
    """Loads the model here as well.

    Raises:
        UserError: if it is another than the cluster's.
    """
    model = load_local(replace(options, engine="auto"))
    if model.spec.weights_sha256 != spec.weights_sha256:
        raise UserError(
            f"the cluster serves another model, {spec.name}: name it with --model, or leave out "
            "fallback=local"
        )
    return model
