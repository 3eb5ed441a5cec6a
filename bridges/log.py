"""The log of a bridge: events with fields such as the call's id; never audio, keys or digits."""

from __future__ import annotations

import logging
import sys

from dfd import loglines
from dfd.logqueue import LineQueue

logger = logging.getLogger("dfd.bridge")


def log(level: int, event: str, /, **fields: object) -> None:
    """Logs one event."""
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


def configure(level: str, form: str) -> None:
    """Sends everything logged in this process to standard error, without ever blocking."""
    handler = LineQueue(sys.stderr)
    handler.setFormatter(loglines.form(form))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("asyncio", "grpc", "websockets"):  # verbose, and not about calls
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("dfd.bridge.websocket").setLevel(logging.ERROR)
