"""The process that is a member of the Ray cluster for a daemon: it deploys and finds the replicas.

It is not the daemon itself, because Ray ends every process whose node is gone, or whose head is
gone for long; and Ray's threads stay out of the daemon.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from dfd.daemon.cluster.messages import Begin, Found, Ready, Replica
from dfd.daemon.cluster.ray_listener import first_line
from dfd.daemon.engine_address import LOCAL, EngineAddress, check_reachable
from dfd.daemon.options import ServeOptions
from dfd.errors import UserError

# A replica may have to be placed, loaded and warmed first.
_READY_SECONDS = 300.0
# how often the replicas are asked where they are, without being told to
_LOOK_SECONDS = 5.0
# Replicas that do not answer for this long are asked again, unless the head does not answer either.
_DOUBT_SECONDS = 2.0
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
# of a cluster that is started for this daemon alone: what nobody looks at, and less haste
_LOCAL_ENVIRONMENT = {
    "RAY_enable_metrics_collection": "0",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
}


def main() -> None:
    """Serves the daemon at the other end of a socket until it closes it."""
    number = int(sys.argv[1])
    os.set_inheritable(number, False)  # or processes of Ray would keep it open
    connection: Connection[Any, Any] = Connection(number)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon drains first
    begin: Begin = connection.recv()
    alone = _LOCAL_ENVIRONMENT if begin.address.place == LOCAL else {}
    for name, value in (_ENVIRONMENT | alone).items():
        os.environ.setdefault(name, value)
    try:
        _deploy(begin.address, begin.options)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ray has set its own
        asyncio.run(_serve(connection, begin.address.name))
    except UserError as error:
        connection.send(error)
    import ray

    end: Any = ray.shutdown
    end()


def _deploy(address: EngineAddress, options: ServeOptions) -> None:
    """Joins the cluster, and deploys the engine unless it is there.

    Raises:
        UserError: if there is no cluster.
    """
    _join(address)
    from ray import serve

    from dfd.daemon.cluster.ray_app import build

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if address.place == LOCAL:  # and no one calls it from outside
        serve.start(proxy_location="Disabled")
    if address.name not in serve.status().applications:
        arguments = {
            "model": ",".join(options.models),
            "device": options.device,
            "precision": options.precision,
            **({} if options.threads is None else {"threads": str(options.threads)}),
            **address.deployment,
        }
        serve.run(build(arguments), name=address.name, route_prefix=None)


async def _serve(connection: "Connection[Any, Any]", application: str) -> None:
    """Waits for a replica, and says which there are until the daemon closes the connection.

    Raises:
        UserError: if the engine does not become ready.
    """
    import ray
    from ray import serve

    from dfd.daemon.cluster.ray_app import DEPLOYMENT

    handle: Any = serve.get_deployment_handle(DEPLOYMENT, app_name=application)
    try:
        async with asyncio.timeout(_READY_SECONDS):
            spec = await handle.spec.remote()
    except Exception as error:
        raise UserError(
            f"the engine {application} of the cluster is not ready: "
            f"{first_line(error)}; see serve status"
        ) from None
    head = ray.get_runtime_context().gcs_address
    connection.send(Ready(spec, head))
    await _Lookout(connection, handle, head).run()


def _join(address: EngineAddress) -> None:
    import ray

    try:
        ray.init(
            address=address.place,
            namespace="dfd",
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            include_dashboard=False if address.place == LOCAL else None,
        )
    except ConnectionError as error:
        raise UserError(
            f"no Ray cluster answers at {address.place}: start one with ray start --head, or "
            f"use ray://local ({first_line(error)})"
        ) from None


class _Lookout:
    """Tells the daemon where the replicas are, until it closes the connection."""

    def __init__(self, connection: "Connection[Any, Any]", handle: Any, head: str) -> None:
        self._connection = connection
        self._handle = handle
        self._head = head
        self._ended = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._connection.fileno(), self._read)
        while not self._ended:
            self._wake.clear()
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()
        loop.remove_reader(self._connection.fileno())

    def _read(self) -> None:
        """Is told to look at once, or to end."""
        try:
            self._connection.recv()
        except (EOFError, OSError):
            self._ended = True
        self._wake.set()

    async def _look(self) -> None:
        try:
            asked = self._handle.broadcast("where")
            told = await asked.results_async(timeout_s=_DOUBT_SECONDS, return_exceptions=True)
        except Exception:  # none runs, or one does not answer
            try:
                await asyncio.to_thread(check_reachable, self._head)
            except UserError:
                # nothing is left to ask, and Ray would wait for it
                os._exit(1)
            return
        try:
            self._connection.send(Found(tuple(one for one in told if isinstance(one, Replica))))
        except OSError:
            self._ended = True
