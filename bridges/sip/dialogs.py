"""The state of a call's signalling (RFC 3261, section 12), and its interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sipmessage import URI, CSeq, Request, Via

from dfd.bridges.sip.answers import AcceptedLine
from dfd.bridges.sip.messages import new_tag
from dfd.bridges.sip.offers import Line
from dfd.bridges.sip.transactions import Transaction


class RefusedError(Exception):
    """A request that is refused.

    Attributes:
        code: status code of the response.
        word: reason for the metrics.
        headers: additional headers of the response.
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
    """The path that a request came by, and on which its responses go back.

    Attributes:
        host, port: address of the other end.
        local: address of our end.
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
        rate_hz: rate of its stream; None before it has one.
    """

    rate_hz: int | None

    def change(self, lines: Sequence[Line], accepted: Sequence[AcceptedLine]) -> bytes:
        """Handles an offer; returns the answer.

        Raises:
            RefusedError: if there is no port for it.
        """

    def describe(self) -> bytes:
        """Returns the present description, or our first offer if the peer made none."""

    def answered(self, lines: Sequence[Line]) -> None:
        """Handles the answer to our offer."""

    def name(self, labels: Mapping[str, str]) -> None:
        """Adds labels that the peer sends later."""

    def end(self, reason: str) -> None:
        """Ends the call."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An incoming call."""

    call_id: str
    way: Way
    labels: Mapping[str, str]
    siprec: bool


class Owner(Protocol):
    """The owner of the media."""

    def trouble(self) -> str:
        """Returns why a call would not be judged now; empty if it would be."""

    def open(self, incoming: Incoming) -> Media:
        """Accepts a call.

        Raises:
            RefusedError: if it cannot.
        """

    def refused(self, source: str, word: str, reason: str) -> None:
        """Reports what was refused."""


@dataclass(eq=False, slots=True)
class Dialog:
    """One call.

    Attributes:
        tag: our tag.
        peer: the From of its first request, used as the To of our requests.
        own: the To, with our tag.
        target: the URI in its Contact.
        routes: the proxies in between, nearest first.
        cseq: sequence number of its last request, and of our own.
        expires: when the session ends unless it is refreshed.
        offered: whether we made the offer, so that the ACK has the answer.
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
        """Makes our BYE, with the branch under which its response arrives."""
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
    """Returns our Contact, with the feature tag of a recording server (RFC 7866, section 6.1.2)."""
    transport = "" if way.transport == "UDP" else f";transport={way.transport.lower()}"
    return f"<sip:dfd@{_bracketed(way.local[0])}:{way.local[1]}{transport}>;+sip.srs"
