"""One connection to each daemon for all viewers of the console."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.display import verdicts
from dfd.clients.errors import DetectionError
from dfd.clients.options import Connection, RetryPolicy
from dfd.clients.runs.watch import follow
from dfd.clients.server_info import ModelInfo, ServerInfo
from dfd.clients.watching import Several, StreamList, StreamsUpdate

_KEEP_ENDED = 500
_RETRY_SECONDS = 2.0


class Hub:
    """Watches each daemon once, however many viewers there are.

    Args:
        connections: the daemons; the first is the one that viewers talk to and whose model is
            shown, the streams of all are listed.

    Attributes:
        servers: addresses of the daemons.
        streams: running streams, and the last ones that ended while the console was running.
        version: increases with every change of `streams` or `trouble`.
    """

    def __init__(self, connections: Sequence[Connection]) -> None:
        self.servers = tuple(connection.server for connection in connections)
        self.server = self.servers[0]
        patience = RetryPolicy(connect_seconds=3.0)
        self._clients = {
            connection.server: AsyncDetectionClient(connection, retry=patience)
            for connection in connections
        }
        self.client = self._clients[self.server]
        self.streams = StreamList(_KEEP_ENDED)
        self.version = 0
        self._several = Several() if len(self.servers) > 1 else None
        self._troubles = dict.fromkeys(self.servers, "connecting")
        self._infos: dict[str, ServerInfo] = {}
        # which daemon has a stream
        self._places: dict[str, str] = {}
        self._tasks = [asyncio.create_task(self._watch(server)) for server in self.servers]

    async def aclose(self) -> None:
        """Stops watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()

    @property
    def info(self) -> ServerInfo | None:
        """What the first daemon offers; None before it was reached."""
        return self._infos.get(self.server)

    @property
    def trouble(self) -> str:
        """Why streams may be missing, in words; empty while all is well."""
        return "; ".join(dict.fromkeys(filter(None, self._troubles.values())))

    @property
    def reached(self) -> bool:
        """Whether at least one daemon is being watched."""
        return not all(self._troubles.values())

    def place(self, key: str) -> str:
        """Returns the daemon that has or had a stream; empty if there is only one daemon."""
        return self._places.get(key, "") if self._several is not None else ""

    @property
    def rates(self) -> verdicts.Rates | None:
        """Returns the model's error rates if they apply at the daemon's threshold."""
        if self.info is None or not self.info.models:
            return None
        return verdicts.rates_at(
            self.info.models[0].error_rates, self.info.default_alert_policy.cumulative_threshold
        )

    def model(self, name: str) -> ModelInfo | None:
        """Returns a model that a daemon serves; its default if no name is given."""
        models = (one for info in self._infos.values() for one in info.models)
        return next((one for one in models if name in ("", one.name)), None)

    async def refresh_info(self, server: str = "") -> ServerInfo | None:
        """Asks a daemon, by default the first; keeps the previous answer if it does not respond."""
        server = server or self.server
        with contextlib.suppress(DetectionError):
            self._infos[server] = await self._clients[server].server_info(timeout_seconds=3.0)
        return self._infos.get(server)

    async def _watch(self, server: str) -> None:
        while True:
            try:
                await follow(
                    self._clients[server],
                    lambda update: self._update(server, update),
                    lambda error: self._lost(server, error),
                    interval_seconds=0.5,
                )
            except DetectionError as error:
                self._lost(server, error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _update(self, server: str, update: StreamsUpdate) -> None:
        if self._troubles[server]:
            self._troubles[server] = ""
            asyncio.ensure_future(self.refresh_info(server))  # noqa: RUF006
        if self._several is not None:
            update = self._several.take(server, update)
            self._places |= dict.fromkeys((stream.key for stream in update.streams), server)
        self.streams.take(update)
        if len(self._places) > 2 * (len(self.streams.streams) + _KEEP_ENDED):
            self._places = {
                key: place for key, place in self._places.items() if self.streams.find(key)
            }
        self.version += 1

    def _lost(self, server: str, error: DetectionError) -> None:
        if error.code == "PERMISSION_DENIED":
            self._troubles[server] = f"{error.message} (right watch)"
        elif error.code == "UNAVAILABLE":
            self._troubles[server] = f"no daemon answers at {server}; start one with dfd serve"
        else:
            self._troubles[server] = error.message
        self.version += 1
