"""Parses what a request asks for: body, offer, labels, session timer; or refuses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sipmessage import Request

from dfd.bridges.calls import ProtocolError, printable
from dfd.bridges.sip import answers, metadata, offers
from dfd.bridges.sip.bodies import Bodies, bodies_of
from dfd.bridges.sip.dialogs import RefusedError
from dfd.bridges.sip.digest import Authenticator
from dfd.bridges.sip.messages import param

MIN_EXPIRES = 90


def body_of(request: Request) -> Bodies:
    """Reads the parts of a request's body.

    Raises:
        RefusedError: if it cannot be read.
    """
    try:
        return bodies_of(request)
    except ProtocolError as error:
        accept = [("Accept", "application/sdp, application/rs-metadata+xml, multipart/mixed")]
        raise RefusedError(415, str(error), headers=accept) from None


def lines_of(sdp: str) -> list[offers.Line]:
    """Reads the lines of a session description.

    Raises:
        RefusedError: if it is not one.
    """
    try:
        return offers.parse(sdp)
    except ProtocolError as error:
        raise RefusedError(400, str(error)) from None


def accepted_lines(
    lines: list[offers.Line], srtp_only: bool, rate_hz: int | None = None
) -> list[answers.AcceptedLine]:
    """Selects what to accept of an offer.

    Raises:
        RefusedError: if nothing can be accepted.
    """
    try:
        return answers.select(lines, srtp_only=srtp_only, rate_hz=rate_hz)
    except ProtocolError as error:
        warning = [("Warning", f'304 dfd "{error}"')]
        raise RefusedError(488, str(error), headers=warning) from None


def party_labels(body: Bodies, accepted: list[answers.AcceptedLine]) -> Mapping[str, str]:
    """Makes labels from SIPREC metadata: who is on which channel.

    Raises:
        RefusedError: if the metadata cannot be read.
    """
    if body.metadata is None:
        return {}
    try:
        recording = metadata.parse(body.metadata)
    except ProtocolError as error:
        raise RefusedError(400, str(error)) from None
    labels = {"siprec_session": recording.session_id} if recording.session_id else {}
    for channel, one in enumerate(accepted):
        party = recording.parties.get(one.line.label)
        if party is not None:
            labels[f"channel_{channel}"] = str(party)
    return labels


def target_of(request: Request) -> str:
    """Returns the URI of a request's Contact.

    Raises:
        RefusedError: if there is none.
    """
    try:
        found = request.contact
    except ValueError:
        found = []
    if not found:
        raise RefusedError(400, "a call without a valid Contact")
    return str(found[0].uri)


def session_timer(request: Request, now: float) -> tuple[float | None, list[tuple[str, str]]]:
    """Returns when the session ends unless refreshed (RFC 4028), and the headers that confirm it.

    Raises:
        RefusedError: if it is wrong or too short.
    """
    text = request.headers.get("Session-Expires")
    if text is None or param(text, "refresher") == "uas":
        return None, []
    number = text.partition(";")[0].strip()
    if not number.isdecimal() or len(number) > 9:
        raise RefusedError(400, "a Session-Expires that is not a number")
    if int(number) < MIN_EXPIRES:
        raise RefusedError(
            422, "a session timer that is too short", headers=[("Min-SE", str(MIN_EXPIRES))]
        )
    more = [("Session-Expires", f"{int(number)};refresher=uac")]
    if "timer" in [one.lower() for one in request.supported]:
        more.append(("Require", "timer"))
    return now + int(number), more


def labels_of(request: Request, user: str, headers: Iterable[str]) -> dict[str, str]:
    """Makes labels of a call from its headers."""
    labels = {
        "from": printable(request.from_address.uri),
        "to": printable(request.to_address.uri),
    }
    if request.from_address.name:
        labels["from_name"] = printable(request.from_address.name)
    if user:
        labels["auth_user"] = printable(user)
    agent = request.headers.get("User-Agent")
    if agent:
        labels["user_agent"] = printable(agent)
    for name in headers:
        value = request.headers.get(name)
        if value:
            labels[name.lower().replace("-", "_")] = printable(value)
    return labels


def caller_of(request: Request, checks: Authenticator | None, now: float) -> str:
    """Returns who calls; empty if no authentication is required.

    Raises:
        RefusedError: if the caller is unknown; it carries the challenges.
    """
    if checks is None:
        return ""
    verdict = checks.check(request.headers.get("Authorization"), request.method, now)
    if verdict.user is not None:
        return verdict.user
    challenges = checks.challenges(now, stale=verdict.stale)
    word = "unauthorized" if verdict.wrong else "challenged"
    headers = [("WWW-Authenticate", one) for one in challenges]
    raise RefusedError(401, "wrong credentials", word, headers)
