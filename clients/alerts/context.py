"""What stands beside an event in every line of JSON, whoever writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from dfd.clients.events import Event, Started


def timestamp() -> str:
    """The time of day, as it stands in lines and logs."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z")


class LineContext:
    """What is known of one stream.

    Args:
        call_id: the call's, which several streams may share.
        protocol: how its audio came: "microphone", "sip".
        labels: of the call; read anew for every line.
    """

    def __init__(self, call_id: str, protocol: str, labels: Mapping[str, str]) -> None:
        self._call_id = call_id
        self._protocol = protocol
        self._labels = labels
        self._judged: dict[str, Any] = {}

    def beside(self, event: Event) -> dict[str, Any]:
        """The members for an event's line; from `Started` on with what judges the stream."""
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
