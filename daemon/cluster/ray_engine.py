"""The classifier of a Ray cluster, as a daemon on one of its nodes calls it."""

import logging
import os
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.engine_address import EngineAddress, check_reachable
from dfd.daemon.logs import log
from dfd.daemon.options import ServeOptions
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError

# A replica may have to be placed, loaded and warmed first.
_READY_SECONDS = 300.0
# A replica that dies takes its calls with it: for this long they are sent to another one.
_RETRY_SECONDS = 5.0
_RETRY_DELAY_SECONDS = 0.1


class RayEngine:
    """Scores windows on the replicas of a cluster; connects to it when it is created.

    Attributes:
        spec: the facts of the model as the replicas loaded it.

    Raises:
        UserError: if there is no cluster, or its engine does not become ready.
    """

    def __init__(self, address: EngineAddress, options: ServeOptions) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray import serve
        except ModuleNotFoundError as error:
            raise UserError(
                f"a Ray cluster needs the package {error.name}: pip install 'dfd[ray]'"
            ) from None
        self._ray: Any = ray
        self._connect(address)
        from dfd.daemon.cluster.ray_app import DEPLOYMENT, build

        if address.name not in serve.status().applications:
            log(logging.INFO, "deploying the engine", application=address.name)
            arguments = {
                "model": ",".join(options.models),
                "device": options.device,
                **({} if options.threads is None else {"threads": str(options.threads)}),
                **address.arguments,
            }
            serve.run(build(arguments), name=address.name, route_prefix=None)
        self._handle: Any = serve.get_deployment_handle(DEPLOYMENT, app_name=address.name)
        try:
            spec: ModelSpec = self._handle.spec.remote().result(timeout_s=_READY_SECONDS)
        except Exception as error:
            raise UserError(
                f"the engine {address.name} of the cluster is not ready: "
                f"{_first_line(error)}; see serve status"
            ) from None
        self.spec = replace(spec, engine=f"ray/{spec.engine}")
        self._timeout_seconds = options.batch_timeout_seconds

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores windows (B, N) of the given lengths to LLRs (B,).

        Raises:
            Exception: with what the replica raised, or what kept all replicas from answering.
        """
        until = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                call = self._handle.score.remote((windows, lengths))
                llrs: NDArray[np.float32] = call.result(timeout_s=self._timeout_seconds)
                return llrs
            except self._ray.exceptions.RayActorError as error:
                if time.monotonic() >= until:
                    raise
                log(logging.WARNING, "a replica is gone, trying another", why=_first_line(error))
                time.sleep(_RETRY_DELAY_SECONDS)

    def _connect(self, address: EngineAddress) -> None:
        ray = self._ray
        place = None if address.place == "local" else address.place
        if place not in (None, "auto"):
            check_reachable(address.place)
        try:
            ray.init(
                address="local" if place is None else place,
                namespace="dfd",
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
                **({"include_dashboard": False} if place is None else {}),
            )
        except ConnectionError as error:
            raise UserError(
                f"no Ray cluster answers at {address.place}: start one with ray start --head, or "
                f"use ray://local ({_first_line(error)})"
            ) from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
