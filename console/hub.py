"""One connection to the daemon for all viewers of the console."""

from __future__ import annotations

import asyncio
import contextlib

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.display import verdicts
from dfd.clients.errors import DetectionError
from dfd.clients.options import Connection, RetryPolicy
from dfd.clients.runs.watch import follow
from dfd.clients.server_info import ModelInfo, ServerInfo
from dfd.clients.watching import StreamList, StreamsUpdate

_KEEP_ENDED = 500
_RETRY_SECONDS = 2.0


class Hub:
    """Watches the daemon once, however many viewers there are.

    Attributes:
        streams: running streams, and the last ones that ended while the console was running.
        version: increases with every change of `streams` or `trouble`.
        trouble: why there is nothing to see; empty while all is well.
        info: what the daemon offers; None before it was reached.
    """

    def __init__(self, connection: Connection) -> None:
        self.server = connection.server
        self.client = AsyncDetectionClient(connection, retry=RetryPolicy(connect_seconds=3.0))
        self.streams = StreamList(_KEEP_ENDED)
        self.version = 0
        self.trouble = "connecting"
        self.info: ServerInfo | None = None
        self._task = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        """Stops watching."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.client.aclose()

    @property
    def rates(self) -> verdicts.Rates | None:
        """Returns the model's error rates if they apply at the daemon's threshold."""
        if self.info is None or not self.info.models:
            return None
        return verdicts.rates_at(
            self.info.models[0].error_rates, self.info.default_alert_policy.cumulative_threshold
        )

    def model(self, name: str) -> ModelInfo | None:
        """Returns a model that the daemon serves; its default if no name is given."""
        models = () if self.info is None else self.info.models
        return next((one for one in models if name in ("", one.name)), None)

    async def refresh_info(self) -> ServerInfo | None:
        """Asks the daemon again; keeps the previous answer if it does not respond."""
        with contextlib.suppress(DetectionError):
            self.info = await self.client.server_info(timeout_seconds=3.0)
        return self.info

    async def _watch(self) -> None:
        while True:
            try:
                await follow(self.client, self._update, self._lost, interval_seconds=0.5)
            except DetectionError as error:
                self._lost(error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _update(self, update: StreamsUpdate) -> None:
        if self.trouble:
            self.trouble = ""
            asyncio.ensure_future(self.refresh_info())  # noqa: RUF006
        self.streams.take(update)
        self.version += 1

    def _lost(self, error: DetectionError) -> None:
        if error.code == "PERMISSION_DENIED":
            self.trouble = f"{error.message} (right watch)"
        elif error.code == "UNAVAILABLE":
            self.trouble = f"no daemon answers at {self.server}; start one with dfd serve"
        else:
            self.trouble = error.message
        self.version += 1
