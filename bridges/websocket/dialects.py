"""The common part of the WebSocket dialects: one small state machine per connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from dfd.bridges.calls import CallEvent, ProtocolError

# A gap longer than this in a peer's own count is wrong or belongs to another call.
MAX_GAP_SECONDS = 600.0


class Dialect(Protocol):
    """Messages in, call events out, without I/O.

    Attributes:
        subprotocols: what the peer may request in Sec-WebSocket-Protocol; empty means anything.
    """

    subprotocols: tuple[str, ...]

    def receive(self, message: str | bytes) -> list[CallEvent]:
        """Handles one message, text or binary.

        Raises:
            ProtocolError: if it is not a message of this dialect.
        """

    def end(self) -> list[CallEvent]:
        """Returns what is left when the connection closes."""


def json_object(text: str) -> dict[str, Any]:
    """Parses a message that must be a JSON object.

    Raises:
        ProtocolError: if it is not.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a text message that is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ProtocolError("a JSON message that is not an object")
    return value


def member(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns a member that must be an object.

    Raises:
        ProtocolError: if it is not.
    """
    found = value.get(name)
    if not isinstance(found, dict):
        raise ProtocolError(f"a message without the object {name!r}")
    return found


def whole(value: object, name: str, least: int, most: int) -> int:
    """Returns a whole number, given as a number or a string.

    Raises:
        ProtocolError: if it is not, or is out of bounds.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        number = int(value)
    except ValueError:
        raise ProtocolError(f"{name} is {value!r:.60}, not a whole number") from None
    if not least <= number <= most:
        raise ProtocolError(f"{name} is {number}, outside {least} to {most}")
    return number
