"""Whether the daemon can be reached, asked now and then, so that an operator sees at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from dfd.bridges.log import log
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError

_GOOD_SECONDS = 5.0
_BAD_SECONDS = 2.0
_TIMEOUT_SECONDS = 5.0
_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the daemon judges nothing now.

    Attributes:
        reason: a stable word: refused, tls, token, name, timeout, warming_up, version, other.
        advice: a sentence for people.
    """

    reason: str
    advice: str


def diagnose(error: DetectionError, server: str) -> Trouble:
    """The reason behind an error, and what to do."""
    low = error.message.lower()
    if error.code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return Trouble(
            "token", f"the daemon at {server} does not accept the token: see --token-file"
        )
    if error.code == "UNIMPLEMENTED":
        return Trouble("version", f"what answers at {server} is not a daemon of this version")
    if error.reason:
        return Trouble(error.reason.lower(), f"the daemon at {server} says: {error.message}")
    if any(word in low for word in ("ssl", "tls", "handshake", "certificate")):
        return Trouble(
            "tls", f"no encrypted connection to {server}: see --tls-ca, --tls-cert and --insecure"
        )
    if any(word in low for word in ("dns", "name resolution", "resolve")):
        return Trouble("name", f"the name in {server} cannot be resolved: see --server")
    if error.code == "DEADLINE_EXCEEDED" or "timed out" in low or "timeout" in low:
        return Trouble("timeout", f"nothing answers at {server} in time: is it overloaded?")
    if "refused" in low:
        return Trouble("refused", f"nothing listens at {server}: start dfd serve, see --server")
    if error.code == "UNAVAILABLE":
        # what a server of TLS does with plain text, and one of plain text with TLS
        return Trouble("closed", f"{server} closes the connection: does one side speak TLS only?")
    return Trouble("other", f"the daemon at {server} fails: {error}")


class DaemonWatch:
    """Asks the daemon for its information for as long as the bridge runs.

    Args:
        client: speaks to it.
        server: its address, for people.
        changed: is told the trouble, or None where there is none any more.
    """

    def __init__(
        self,
        client: AsyncDetectionClient,
        server: str,
        changed: Callable[[Trouble | None], None],
    ) -> None:
        self._client = client
        self._server = server
        self._changed = changed
        self._trouble: Trouble | None = None
        self._asked = False
        self._told = 0.0

    async def run(self) -> None:
        """Asks without end."""
        while True:
            await self.ask()
            await asyncio.sleep(_GOOD_SECONDS if self._trouble is None else _BAD_SECONDS)

    async def ask(self) -> Trouble | None:
        """Asks once, and says what changed."""
        try:
            info = await self._client.server_info(_TIMEOUT_SECONDS)
        except DetectionError as error:
            self._failed(diagnose(error, self._server))
        else:
            if self._trouble is not None or not self._asked:
                models = ", ".join(f"{one.name} {one.version}" for one in info.models)
                log(logging.INFO, "daemon reached", server=self._server, models=models)
                self._changed(None)
            self._trouble = None
        self._asked = True
        return self._trouble

    def _failed(self, trouble: Trouble) -> None:
        now = asyncio.get_running_loop().time()
        if trouble != self._trouble or now - self._told > _AGAIN_SECONDS:
            self._told = now
            log(
                logging.ERROR,
                "daemon not reached; calls are not judged",
                server=self._server,
                reason=trouble.reason,
                advice=trouble.advice,
            )
        self._trouble = trouble
        self._changed(trouble)
