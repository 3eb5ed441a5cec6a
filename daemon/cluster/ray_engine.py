"""The classifier of a Ray cluster, as a daemon on one of its nodes uses it."""

import logging
import threading
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.cluster.ray_process import GoneError, RayProcess
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
        self._address, self._options = address, options
        self._process: RayProcess | None = RayProcess(address, options)
        spec, self._head = self._process.spec, self._process.head
        self._here = _own(spec, options) if address.fallback == LOCAL else None
        self.spec = replace(spec, engine=f"ray/{spec.engine}")
        self._resting_until = 0.0
        self._scored_here = False
        self._seconds = _PATIENCE_SECONDS if self._here else options.batch_timeout_seconds

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths to LLRs (B,).

        Raises:
            TimeoutError: if no replica answers in time.
            UserError: with what a replica raised, or what kept all replicas from answering.
        """
        process, here = self._process, self._here
        if process is not None and time.monotonic() >= self._resting_until:
            try:
                llrs = process.score(windows, lengths, self._seconds)
            except GoneError:
                self._lost(process)
            except (TimeoutError, UserError) as error:
                if here is None:
                    raise
                self._resting_until = time.monotonic() + _PAUSE_SECONDS
                log(logging.WARNING, "the Ray cluster does not answer", why=str(error))
            else:
                if self._scored_here:
                    self._scored_here = False
                    log(logging.WARNING, "the Ray cluster scores again")
                return llrs
        if here is None:
            raise UserError("the Ray cluster is away: windows fail until it is back")
        if not self._scored_here:
            self._scored_here = True
            log(logging.WARNING, "scoring on this machine until the Ray cluster answers")
        return here.score(windows, lengths)

    def _lost(self, process: RayProcess) -> None:
        """Tries to join the cluster again, or the one that takes its place."""
        log(logging.ERROR, "the Ray cluster, or this machine's node of it, is gone")
        self._process = None
        again = threading.Thread(
            target=self._join_again, args=[process], name="dfd-ray", daemon=True
        )
        again.start()

    def _join_again(self, lost: RayProcess) -> None:
        lost.close()  # which may take seconds
        place = self._address.place
        while True:
            time.sleep(_AGAIN_SECONDS)
            try:
                if place != LOCAL:  # which brings its own
                    check_reachable(self._head)
                process = RayProcess(self._address, self._options)
            except UserError as error:
                log(logging.DEBUG, "no Ray cluster yet", why=str(error))
                continue
            if process.spec.weights_sha256 != self.spec.weights_sha256:
                log(logging.ERROR, "the Ray cluster serves another model now; restart this daemon")
                process.close()
                return
            self._head, self._process = process.head, process
            log(logging.WARNING, "joined the Ray cluster again", head=process.head)
            return


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
