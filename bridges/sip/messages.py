"""SIP messages (RFC 3261) as parsed by `sipmessage`, with limits and validated headers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import sipmessage
from sipmessage import Request, Response

from dfd.bridges.calls import ProtocolError

Message = Request | Response
MAX_MESSAGE_BYTES = 65536
_MAX_HEADER_LINES = 200
# A header may continue on a line that begins with white space (RFC 3261, section 7.3.1).
_VIA = re.compile(
    r"SIP */ *2\.0 */ *[A-Za-z-]{2,16} +(\[[0-9A-Fa-f:.]{2,45}\]|[\w.-]{1,255})"
    r"(?: *: *(\d{1,5}))?((?: *;[^;]*)*)",
    re.IGNORECASE | re.ASCII,
)
_FOLD = re.compile(rb"\r\n[ \t]+")
_PHRASES = {
    100: "Trying",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
}


def parse(data: bytes) -> Message:
    """Parses one complete message.

    Raises:
        ProtocolError: if it is not one, or lacks what every message has.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a SIP message of {len(data)} bytes exceeds {MAX_MESSAGE_BYTES}")
    head, blank, body = data.partition(b"\r\n\r\n")
    if head.count(b"\r\n") > _MAX_HEADER_LINES:
        raise ProtocolError(f"a SIP message of more than {_MAX_HEADER_LINES} header lines")
    try:
        message = sipmessage.Message.parse(_FOLD.sub(b" ", head) + blank + body)
        _check(message)
    except (ValueError, KeyError, RecursionError) as error:
        reason = str(error) if isinstance(error, ProtocolError) else "the data is not a SIP message"
        raise ProtocolError(reason) from None
    return message


def _check(message: Message) -> None:
    """Validates the headers used for routing, so that they cause no errors later.

    Raises:
        ValueError, KeyError: if one is missing or wrong.
    """
    length = message.content_length
    if length is not None:
        if not 0 <= length <= len(message.body):
            raise ValueError("the body is shorter than Content-Length says")
        message.body = message.body[:length]
    _ = top_via(message)
    if not message.call_id:
        raise ValueError("no Call-ID")
    if not 0 <= message.cseq.sequence < 1 << 32:
        raise ValueError("CSeq is out of range")
    _ = message.from_address, message.to_address
    if isinstance(message, Request) and message.cseq.method != message.method:
        raise ValueError("CSeq names another method")
    if isinstance(message, Response) and not 100 <= message.code <= 699:
        raise ValueError("the response code is out of range")


@dataclass(frozen=True, slots=True)
class TopVia:
    """Where a message came from or goes back to, according to its first Via.

    Parsed here, since sipmessage refuses IPv6 addresses in `received` without brackets (RFC 3261,
    section 25.1).

    Attributes:
        port: None if it has none.
        rport: empty if requested; None if not.
    """

    host: str
    port: int | None
    branch: str
    rport: str | None


def top_via(message: Message) -> TopVia:
    """Reads the first Via.

    Raises:
        ValueError: if there is none, or it makes no sense.
    """
    text = (message.headers.get("Via") or "").partition(",")[0]
    found = _VIA.fullmatch(text.strip())
    if found is None or (found[2] and int(found[2]) > 65535):
        raise ValueError("there is no valid Via")
    params: dict[str, str] = {}
    for part in found[3].split(";")[1:]:
        key, _, value = part.partition("=")
        params.setdefault(key.strip().lower(), value.strip())
    port = int(found[2]) if found[2] else None
    return TopVia(found[1].lower(), port, params.get("branch", ""), params.get("rport"))


def tag_of(message: Message, header: str) -> str:
    """Returns the tag of From or To; empty if there is none."""
    address = message.from_address if header == "From" else message.to_address
    return address.parameters.get("tag") or ""


def new_tag() -> str:
    """Returns an unguessable tag, or a branch without its cookie."""
    return secrets.token_hex(8)


def respond(
    request: Request,
    code: int,
    *,
    tag: str = "",
    phrase: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "",
) -> Response:
    """Makes the response to a request (RFC 3261, section 8.2.6).

    Args:
        request: the request.
        code: status code.
        tag: tag to add to To if the request has none.
        phrase: reason phrase instead of the usual one.
        headers: additional headers.
        body: body, with `content_type`.
        content_type: type of the body.
    """
    response = Response(code, phrase or _PHRASES.get(code, "Unknown"), body)
    for name in ("Via", "From", "To", "Call-ID", "CSeq", "Record-Route"):
        for value in request.headers.getlist(name):
            response.headers.add(name, value)
    if tag and not tag_of(request, "To"):
        response.headers.set("To", f"{request.headers['To']};tag={tag}")
    for name, value in headers:
        response.headers.add(name, value)
    if content_type:
        response.headers.set("Content-Type", content_type)
    response.headers.set("Content-Length", str(len(body)))
    return response


def param(text: str | None, name: str) -> str:
    """Returns a parameter of a header's value, such as refresher in Session-Expires."""
    for part in (text or "").split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""
