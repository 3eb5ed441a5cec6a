"""The state of a bridge for people and load balancers: /health, next to /metrics."""

from __future__ import annotations

import json
from typing import Any

from dfd.bridges.exchange import Exchange


def health(exchange: Exchange, protocol: str) -> tuple[bool, dict[str, Any]]:
    """Returns whether calls are being judged, and the content of the page."""
    trouble = exchange.trouble
    daemon: dict[str, Any] = {"reached": trouble is None}
    if trouble is not None:
        daemon |= {"reason": trouble.reason, "advice": trouble.advice}
    full = exchange.calls_active >= exchange.options.max_calls
    state = "unreachable" if trouble is not None else "full" if full else "ok"
    page = {
        "status": state,
        "protocol": protocol,
        "daemon": daemon,
        "calls": exchange.calls_active,
        "calls_unjudged": exchange.calls_unjudged,
        "max_calls": exchange.options.max_calls,
    }
    return state == "ok", page


def written(page: dict[str, Any]) -> bytes:
    """Returns the page as bytes."""
    return (json.dumps(page, indent=1) + "\n").encode()
