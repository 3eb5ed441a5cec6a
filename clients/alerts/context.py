"""The members that accompany an event in every JSON line, whoever writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from dfd.clients.events import Event, Started


def timestamp() -> str:
    """Returns the current time, in the format used by JSON lines and logs."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z")


class LineContext:
    """What is known about one stream.

    Args:
        call_id: id of the call, which several streams may share.
        protocol: how its audio arrived: "microphone", "sip".
        labels: labels of the call; read again for every line.
    """

    def __init__(self, call_id: str, protocol: str, labels: Mapping[str, str]) -> None:
        self._call_id = call_id
        self._protocol = protocol
        self._labels = labels
        self._judged: dict[str, Any] = {}

    def beside(self, event: Event) -> dict[str, Any]:
        """Returns the members for an event's line; from `Started` on, with model and policy."""
        if isinstance(event, Started):
            self._judged = {
                "model": f"{event.model.name} {event.model.version}".strip(),
                "policy": asdict(event.alert_policy),
            }
        return {
            "time": timestamp(),
            "call_id": self._call_id,
            "protocol": self._protocol,
            "labels": dict(self._labels),
            **self._judged,
        }
