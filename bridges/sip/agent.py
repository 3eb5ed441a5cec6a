"""The user agent server (RFC 3261, section 8.2): requests and the time in, responses out.

Every call is answered or rejected at once, so there is no ringing and nothing for a CANCEL to
stop. Without I/O: the server passes requests, and calls `poll` now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sipmessage import Request, Response

from dfd.bridges.calls import ProtocolError, call_name
from dfd.bridges.log import logger
from dfd.bridges.sip import offers
from dfd.bridges.sip.asked import (
    accepted_lines,
    body_of,
    caller_of,
    labels_of,
    lines_of,
    party_labels,
    session_timer,
    target_of,
)
from dfd.bridges.sip.bodies import bodies_of
from dfd.bridges.sip.dialogs import Dialog, Incoming, Owner, RefusedError, Way
from dfd.bridges.sip.digest import Authenticator
from dfd.bridges.sip.messages import Message, new_tag, parse, respond, tag_of
from dfd.bridges.sip.requests import Requests
from dfd.bridges.sip.responses import ALLOW, accept, health, refuse_unknown
from dfd.bridges.sip.transactions import Key, Transaction, Transactions, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRules:
    """Requirements for callers.

    Attributes:
        authenticator: authenticates callers; None admits all that get this far.
        srtp_only: whether unencrypted audio is declined.
        label_headers: headers that become labels of the call.
    """

    authenticator: Authenticator | None = None
    srtp_only: bool = False
    label_headers: tuple[str, ...] = ()


@dataclass(slots=True)
class Agent:
    """The signalling of all calls of one bridge.

    Args:
        owner: owner of the media.
        rules: requirements for callers.
    """

    owner: Owner
    rules: AgentRules = field(default_factory=AgentRules)
    _dialogs: dict[tuple[str, str, str], Dialog] = field(default_factory=dict)
    _transactions: Transactions = field(default_factory=Transactions)
    _requests: Requests = field(default_factory=Requests)

    @property
    def calls(self) -> int:
        """Number of current calls."""
        return len(self._dialogs)

    @property
    def waiting(self) -> int:
        """Number of our own requests that are not answered yet."""
        return len(self._requests)

    def receive(self, message: Message, way: Way, now: float) -> None:
        """Handles a message."""
        if isinstance(message, Response):
            self._requests.receive(message)
            return
        key = key_of(message)
        before = self._transactions.find(key)
        if message.method == "ACK":
            self._acknowledged(message, before)
        elif before is not None:
            self._transactions.repeat(before)
        else:
            self._fresh(message, key, way, now)

    def poll(self, now: float) -> None:
        """Sends what is due and ends what has timed out."""
        self._requests.poll(now)
        for lost in self._transactions.poll(now):
            for dialog in [one for one in self._dialogs.values() if one.invite is lost]:
                self._hang_up(dialog, "no ACK", now)
        for dialog in tuple(self._dialogs.values()):
            if dialog.expires is not None and now >= dialog.expires:
                self._hang_up(dialog, "session timer", now)

    def hang_up(self, media: object, reason: str, now: float) -> None:
        """Ends the call that some media belong to, from our side."""
        for dialog in tuple(self._dialogs.values()):
            if dialog.media is media:
                self._hang_up(dialog, reason, now)

    def hang_up_all(self, reason: str, now: float) -> None:
        """Ends every call from our side."""
        for dialog in tuple(self._dialogs.values()):
            self._hang_up(dialog, reason, now)

    def _hang_up(self, dialog: Dialog, reason: str, now: float) -> None:
        self._forget(dialog, reason)
        try:
            branch, data = dialog.goodbye(reason)
        except ValueError:
            return
        reliable = dialog.way.transport != "UDP"
        self._requests.send(branch, data, dialog.way.send, now, reliable=reliable)

    def _forget(self, dialog: Dialog, reason: str) -> None:
        del self._dialogs[dialog.key]
        if dialog.invite is not None:
            self._transactions.acknowledge(dialog.invite)
        dialog.media.end(reason)

    def _fresh(self, request: Request, key: Key, way: Way, now: float) -> None:
        """Answers a new request."""
        if self._transactions.full:
            way.send(bytes(respond(request, 503, headers=[("Retry-After", "32")])))
            return
        try:
            response = self._answer(request, key, way, now)
        except RefusedError as refusal:
            source = f"{way.transport} {way.host}:{way.port}"
            self.owner.refused(source, refusal.word, f"{request.method}: {refusal}")
            response = respond(request, refusal.code, tag=new_tag(), headers=refusal.headers)
            if refusal.code == 401:  # stateless, as RFC 3261, section 8.2.7 requires
                way.send(bytes(response))
                return
        except Exception:
            logger.exception("a %s from %s could not be answered", request.method, way.host)
            response = respond(request, 500, tag=new_tag())
        reliable = way.transport != "UDP"
        done = self._transactions.answer(
            key, response.code, bytes(response), way.send, now, reliable=reliable
        )
        if request.method == "INVITE" and response.code < 300:
            dialog = self._dialog_of(request, tag_of(response, "To"))
            if dialog is not None:
                dialog.invite = done

    def _answer(self, request: Request, key: Key, way: Way, now: float) -> Response:
        if request.method == "CANCEL":
            before = self._transactions.find((*key[:4], "INVITE"))
            if before is None:
                return respond(request, 481, tag=new_tag())
            return respond(request, 200, tag=tag_of(parse(before.data), "To"))
        refuse_unknown(request)
        if tag_of(request, "To"):
            return self._within(request, way, now)
        if request.method == "INVITE":
            return self._begin(request, way, now)
        if request.method == "OPTIONS":
            return health(request, self.owner.trouble())
        if request.method in ("BYE", "UPDATE", "INFO"):
            return respond(request, 481, tag=new_tag())
        return respond(request, 405, tag=new_tag(), headers=[("Allow", ALLOW)])

    def _begin(self, request: Request, way: Way, now: float) -> Response:
        """Answers a new call.

        Raises:
            RefusedError: if it is refused.
        """
        user = caller_of(request, self.rules.authenticator, now)
        peer_tag = tag_of(request, "From")
        if any(key[0] == request.call_id and key[2] == peer_tag for key in self._dialogs):
            raise RefusedError(482, "the same call arrived by two paths")
        target = target_of(request)
        expires, more = session_timer(request, now)
        body = body_of(request)
        labels = labels_of(request, user, self.rules.label_headers)
        lines = [] if body.sdp is None else lines_of(body.sdp)
        accepted = accepted_lines(lines, self.rules.srtp_only) if lines else []
        labels |= party_labels(body, accepted)
        if not lines and self.rules.srtp_only:
            raise RefusedError(488, "a call without an offer, although only SRTP is accepted")
        siprec = body.metadata is not None or "siprec" in request.require
        media = self.owner.open(Incoming(call_name(request.call_id), way, labels, siprec))
        try:
            sdp = media.change(lines, accepted) if lines else media.describe()
        except Exception:
            media.end("no answer")
            raise
        tag = new_tag()
        dialog = Dialog(
            request.call_id,
            tag,
            request.headers["From"],
            peer_tag,
            f"{request.headers['To']};tag={tag}",
            target,
            request.headers.getlist("Record-Route"),
            way,
            media,
            request.cseq.sequence,
            expires=expires,
            offered=not lines,
            siprec=siprec,
        )
        self._dialogs[dialog.key] = dialog
        return accept(request, dialog, more, sdp)

    def _within(self, request: Request, way: Way, now: float) -> Response:
        """Answers a request within a call.

        Raises:
            RefusedError: if it is refused.
        """
        dialog = self._dialog_of(request, tag_of(request, "To"))
        if dialog is None:
            return respond(request, 481)
        if request.cseq.sequence <= dialog.cseq:
            raise RefusedError(
                500,
                "a request whose sequence number was already used",
                headers=[("Retry-After", "1")],
            )
        dialog.cseq = request.cseq.sequence
        dialog.way = way
        match request.method:
            case "BYE":
                self._forget(dialog, "BYE")
                return respond(request, 200)
            case "INVITE" | "UPDATE":
                return self._change(request, dialog, now)
            case "OPTIONS":
                return health(request, self.owner.trouble())
            case "INFO":
                return respond(request, 200)
        return respond(request, 405, headers=[("Allow", ALLOW)])

    def _change(self, request: Request, dialog: Dialog, now: float) -> Response:
        """Handles a new offer: hold, resume, another address, another party."""
        expires, more = session_timer(request, now)
        body = body_of(request)
        sdp = b""
        if body.sdp is not None:
            lines = lines_of(body.sdp)
            accepted = accepted_lines(lines, self.rules.srtp_only, dialog.media.rate_hz)
            sdp = dialog.media.change(lines, accepted)
            dialog.media.name(party_labels(body, accepted))
        elif request.method == "INVITE":
            sdp = dialog.media.describe()
        dialog.offered = body.sdp is None and request.method == "INVITE"
        dialog.expires = expires
        if request.contact:
            dialog.target = target_of(request)
        return accept(request, dialog, more, sdp)

    def _acknowledged(self, request: Request, before: Transaction | None) -> None:
        """Handles an ACK: of a rejection, or of a call, by its dialog."""
        if before is not None and before.code >= 300:
            self._transactions.acknowledge(before)
            return
        dialog = self._dialog_of(request, tag_of(request, "To"))
        if dialog is None or dialog.invite is None or dialog.invite.ended:
            return
        if dialog.invite.key[3] != request.cseq.sequence:
            return
        self._transactions.acknowledge(dialog.invite)
        if dialog.offered:
            dialog.offered = False
            try:
                body = bodies_of(request)
                dialog.media.answered(offers.parse(body.sdp or ""))
            except ProtocolError as error:
                self.owner.refused(dialog.way.host, "protocol", f"the answer in its ACK: {error}")

    def _dialog_of(self, request: Request, tag: str) -> Dialog | None:
        return self._dialogs.get((request.call_id, tag, tag_of(request, "From")))
