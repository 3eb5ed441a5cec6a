"""The parts of a request's body: a session description and SIPREC metadata."""

from __future__ import annotations

from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser

from sipmessage import Request

from dfd.bridges.calls import ProtocolError

_SDP = "application/sdp"
_METADATA = frozenset({"application/rs-metadata+xml", "application/rs-metadata"})
_MAX_PARTS = 16


@dataclass(frozen=True, slots=True)
class Bodies:
    """The supported parts of a body.

    Attributes:
        sdp: the session description; None if there is none.
        metadata: the SIPREC metadata; None if there is none.
    """

    sdp: str | None = None
    metadata: bytes | None = None


def bodies_of(request: Request) -> Bodies:
    """Reads a body, in one part or several (RFC 5621).

    Raises:
        ProtocolError: if it cannot be read, or is of a kind that means nothing here.
    """
    content = request.body
    if not content.strip():
        return Bodies()
    kind = (request.headers.get("Content-Type") or "").strip()
    if not kind:
        raise ProtocolError("a body without Content-Type")
    head = b"MIME-Version: 1.0\r\nContent-Type: " + kind.encode("utf-8", "replace") + b"\r\n\r\n"
    # the mail parser handles the same multipart format as SIP
    try:
        whole = BytesParser(policy=policy.compat32).parsebytes(head + content)
        return _parts(whole)
    except (ValueError, LookupError, RecursionError) as error:
        raise ProtocolError("a body that cannot be parsed") from error


def _parts(whole: Message) -> Bodies:
    sdp: str | None = None
    metadata: bytes | None = None
    for number, part in enumerate(whole.walk()):
        if number > _MAX_PARTS:
            raise ProtocolError(f"a body of more than {_MAX_PARTS} parts")
        payload = part.get_payload(decode=True)
        if part.is_multipart() or not isinstance(payload, bytes):
            continue
        name = part.get_content_type()
        if name == _SDP and sdp is None:
            sdp = payload.decode("utf-8", "replace")
        elif name in _METADATA and metadata is None:
            metadata = payload
    if sdp is None and metadata is None:
        raise ProtocolError(f"a body of type {whole.get_content_type()}, which offers no audio")
    return Bodies(sdp, metadata)
