"""What responses say of the bridge: methods, extensions and health, and answers to offers."""

from __future__ import annotations

from sipmessage import Request, Response

from dfd.bridges.calls import printable
from dfd.bridges.sip.dialogs import Dialog, RefusedError, contact
from dfd.bridges.sip.messages import new_tag, respond

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO"
SUPPORTED = "siprec, timer, record-aware"
_KNOWN = frozenset({"siprec", "timer", "record-aware"})


def refuse_unknown(request: Request) -> None:
    """Refuses a request that requires an extension which is unknown here.

    Raises:
        RefusedError: if it does.
    """
    unknown = [one for one in request.require if one and one.lower() not in _KNOWN]
    if unknown:
        raise RefusedError(
            420,
            "it requires an unknown extension",
            headers=[("Unsupported", printable(", ".join(unknown)))],
        )


def health(request: Request, trouble: str) -> Response:
    """Answers OPTIONS: 200, or 503 with what is wrong."""
    headers = [("Allow", ALLOW), ("Accept", "application/sdp, multipart/mixed")]
    headers.append(("Supported", SUPPORTED))
    if not trouble:
        return respond(request, 200, tag=new_tag(), headers=headers)
    headers += [("Retry-After", "10"), ("Reason", f'SIP;cause=503;text="{trouble}"')]
    return respond(request, 503, tag=new_tag(), headers=headers)


def accept(request: Request, dialog: Dialog, more: list[tuple[str, str]], sdp: bytes) -> Response:
    """Accepts a call, or a change of it, with a session description if there is one."""
    headers = [
        ("Contact", contact(dialog.way)),
        ("Allow", ALLOW),
        ("Supported", SUPPORTED),
        ("Accept", "application/sdp, application/rs-metadata+xml, multipart/mixed"),
        *more,
    ]
    kind = "application/sdp" if sdp else ""
    return respond(request, 200, tag=dialog.tag, headers=headers, body=sdp, content_type=kind)
