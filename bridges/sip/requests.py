"""Our own requests (RFC 3261, section 17.1.2): BYE, repeated until it is answered."""

from __future__ import annotations

from dataclasses import dataclass

from sipmessage import Response

from dfd.bridges.sip.messages import top_via
from dfd.bridges.sip.transactions import LIFE_SECONDS, T1_SECONDS, T2_SECONDS, Send


@dataclass(slots=True)
class _Waiting:
    data: bytes
    send: Send
    reliable: bool
    began: float
    due: float
    interval: float = T1_SECONDS


class Requests:
    """Requests that were sent and are not answered yet."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, branch: str, data: bytes, send: Send, now: float, *, reliable: bool) -> None:
        """Sends a request under the branch in its Via."""
        self._waiting[branch] = _Waiting(data, send, reliable, now, now + T1_SECONDS)
        send(data)

    def receive(self, response: Response) -> None:
        """Handles a response; unrelated ones are ignored."""
        if response.code >= 200:
            self._waiting.pop(top_via(response).branch, None)

    def poll(self, now: float) -> None:
        """Retransmits what is due, and gives up on what is too old."""
        for branch, one in tuple(self._waiting.items()):
            if now - one.began >= LIFE_SECONDS:
                del self._waiting[branch]
            elif now >= one.due and not one.reliable:
                one.send(one.data)
                one.interval = min(2 * one.interval, T2_SECONDS)
                one.due = now + one.interval
