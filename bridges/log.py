"""What a bridge logs: events with fields, a call's id among them; never audio, keys or digits."""

from __future__ import annotations

import logging
import sys

from dfd import loglines
from dfd.logqueue import LineQueue

logger = logging.getLogger("dfd.bridge")


def log(level: int, event: str, /, **fields: object) -> None:
    """Writes one event."""
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


def configure(level: str, form: str) -> None:
    """Sends everything that is logged in this process to standard error; no one waits for that."""
    handler = LineQueue(sys.stderr)
    handler.setFormatter(loglines.form(form))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("asyncio", "grpc", "websockets"):  # chatty, and not about calls
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("dfd.bridge.websocket").setLevel(logging.ERROR)
