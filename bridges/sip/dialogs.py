"""What is remembered of a call's signalling (RFC 3261, section 12), and whom it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sipmessage import URI, CSeq, Request, Via

from dfd.bridges.sip.answers import Heard
from dfd.bridges.sip.messages import new_tag
from dfd.bridges.sip.offers import Line
from dfd.bridges.sip.transactions import Transaction


class RefusedError(Exception):
    """A request that is not granted.

    Attributes:
        code: the status of the answer.
        word: the reason for the metrics.
        headers: further ones of the answer.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        word: str = "protocol",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.word = word
        self.headers = tuple(headers)


class Way(Protocol):
    """Where a request came from, and by which its answers go back.

    Attributes:
        host, port: of the other end.
        local: the address at this end.
        transport: "UDP", "TCP" or "TLS".
    """

    host: str
    port: int
    local: tuple[str, int]
    transport: str

    def send(self, data: bytes) -> None:
        """Sends a message; never waits, never fails."""


class Media(Protocol):
    """The audio of one call, as the agent knows it.

    Attributes:
        rate_hz: of its stream; None before it has one.
    """

    rate_hz: int | None

    def change(self, lines: Sequence[Line], heard: Sequence[Heard]) -> bytes:
        """Takes an offer; gives the answer.

        Raises:
            RefusedError: if there is no port for it.
        """

    def describe(self) -> bytes:
        """The description that holds at present; the first offer where the peer made none."""

    def answered(self, lines: Sequence[Line]) -> None:
        """Takes the answer to an offer of this side."""

    def name(self, labels: Mapping[str, str]) -> None:
        """Takes what the peer says of the call later on."""

    def end(self, reason: str) -> None:
        """The call is over."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call that asks to be taken."""

    call_id: str
    way: Way
    labels: Mapping[str, str]
    siprec: bool


class Owner(Protocol):
    """Who has the media."""

    def trouble(self) -> str:
        """Why a call would not be judged now; empty where it would."""

    def open(self, incoming: Incoming) -> Media:
        """Takes a call.

        Raises:
            RefusedError: if it cannot.
        """

    def refused(self, source: str, word: str, reason: str) -> None:
        """Is told of what was turned away."""


@dataclass(eq=False, slots=True)
class Dialog:
    """One call.

    Attributes:
        tag: this side's.
        peer: the From of its first request, by which this side's requests find it.
        own: the To, with this side's tag.
        target: the URI in its Contact.
        routes: the proxies between, nearest first.
        cseq: the number of its last request, and of this side's own.
        expires: when the session ends unless it is refreshed.
        offered: this side made the offer, and the ACK has the answer.
    """

    call_id: str
    tag: str
    peer: str
    peer_tag: str
    own: str
    target: str
    routes: list[str]
    way: Way
    media: Media
    cseq: int
    own_cseq: int = 0
    expires: float | None = None
    offered: bool = False
    invite: Transaction | None = None
    siprec: bool = False
    key: tuple[str, str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.key = (self.call_id, self.tag, self.peer_tag)

    def goodbye(self, cause: str) -> tuple[str, bytes]:
        """A BYE of this side, with the branch under which its answer comes."""
        self.own_cseq += 1
        host, port = self.way.local
        branch = f"z9hG4bK{new_tag()}"
        request = Request("BYE", URI.parse(self.target))
        request.via = [Via(self.way.transport, _bracketed(host), port)]
        request.headers.set("Via", f"{request.headers['Via']};branch={branch};rport")
        for route in self.routes:
            request.headers.add("Route", route)
        request.headers.set("From", self.own)
        request.headers.set("To", self.peer)
        request.headers.set("Call-ID", self.call_id)
        request.cseq = CSeq(self.own_cseq, "BYE")
        request.headers.set("Max-Forwards", "70")
        request.headers.set("Reason", f'SIP;cause=200;text="{cause}"')
        request.headers.set("Content-Length", "0")
        return branch, bytes(request)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def contact(way: Way) -> str:
    """This side's Contact: a recording server's, by its feature tag (RFC 7866, section 6.1.2)."""
    transport = "" if way.transport == "UDP" else f";transport={way.transport.lower()}"
    return f"<sip:dfd@{_bracketed(way.local[0])}:{way.local[1]}{transport}>;+sip.srs"
