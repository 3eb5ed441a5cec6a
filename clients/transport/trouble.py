"""Why no server answers: a stable word for programs, and a sentence that says what to do."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from dfd.clients.errors import DetectionError
from dfd.clients.options import Connection
from dfd.clients.transport.connection import uses_tls

_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing is judged.

    Attributes:
        reason: a stable word: refused, tls, token, name, timeout, version, closed, other, or a
            reason of the server's own in small letters, such as warming_up.
        advice: a sentence for people.
    """

    reason: str
    advice: str


def diagnose(error: DetectionError, connection: Connection) -> Trouble:
    """The reason behind an error, and what to do.

    A server that closes a connection of plain text without a word is asked for TLS, which takes
    a moment; nothing else is sent.
    """
    server, said, low = connection.server, error.message.rstrip("."), error.message.lower()
    if error.code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return Trouble(
            "token",
            f"{server} refused: {said}; set DFD_TOKEN or --token-file to a token it knows",
        )
    if error.code == "RESOURCE_EXHAUSTED":
        return Trouble(_word(error, "full"), f"{server} is full: {said}; try again later")
    if error.code == "UNIMPLEMENTED":
        return Trouble("version", f"what answers at {server} is not a daemon of this version")
    if error.reason:
        return Trouble(error.reason.lower(), f"{server}: {said} ({error.reason})")
    if error.code == "DEADLINE_EXCEEDED":
        return Trouble(
            "timeout", f"{server} did not answer in time: check whether it is overloaded"
        )
    if error.code != "UNAVAILABLE":
        return Trouble("other", f"{server}: {said} ({error.code})")
    if any(word in low for word in ("ssl", "tls", "handshake", "certificate", "hostname")):
        return Trouble("tls", _encrypted(server, said, connection))
    if any(word in low for word in ("dns", "name resolution", "resolve")):
        return Trouble("name", f"the name in {server} cannot be resolved: check --server")
    if "timed out" in low or "timeout" in low:
        return Trouble("timeout", f"nothing answers at {server} in time: check --server")
    if "refused" not in low and ("closed" in low or "reset" in low):
        return _closed(server, connection)
    return Trouble(
        "refused",
        f"no server answers at {server}: start one with dfd serve, or name another with"
        f" --server ({_last(said)})",
    )


def speaks_tls(server: str) -> bool:
    """Whether what listens at "host:port" begins a TLS handshake; nothing of it is believed."""
    host, _, port = server.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS) as plain,
            # of TLS 1.3 this much is done before a client's certificate is asked for
            context.wrap_socket(plain, server_hostname=host.strip("[]")),
        ):
            return True
    except ssl.SSLError as error:
        # an alert is TLS too; plain text is not
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False


def _closed(server: str, connection: Connection) -> Trouble:
    """What a connection means that is closed without a word."""
    if not speaks_tls(server):
        return Trouble("closed", f"{server} closes the connection: is it a dfd daemon?")
    if uses_tls(connection):
        return Trouble(
            "tls",
            f"{server} closes the encrypted connection: if it asks for a certificate, give this"
            " client one with --tls-cert and --tls-key",
        )
    how = "leave out --insecure, and name" if connection.insecure else "name"
    return Trouble(
        "tls",
        f"{server} speaks TLS and this client plain text: {how} its authority with --tls-ca",
    )


def _encrypted(server: str, said: str, connection: Connection) -> str:
    """What kept a handshake from its end."""
    low = said.lower()
    if "wrong_version_number" in low or "http_request" in low:
        return (
            f"{server} speaks plain text and this client TLS: use --insecure if that is meant,"
            " or serve with --tls-cert and --tls-key"
        )
    if "expired" in low:
        return f"the certificate of {server} has expired: renew it there"
    if "not yet valid" in low:
        return f"the certificate of {server} is not valid yet: check the clocks of both machines"
    if "hostname" in low:
        return f"the certificate of {server} is for another name: use that one with --server"
    if "certificate_verify_failed" in low:
        ours = connection.tls_ca
        whom = f"an authority in {ours}" if ours else "an authority that this machine knows"
        return f"the certificate of {server} is not signed by {whom}: name its own with --tls-ca"
    return f"no encrypted connection to {server}: see --tls-ca and --insecure ({_last(said)})"


def _word(error: DetectionError, otherwise: str) -> str:
    return error.reason.lower() or otherwise


def _last(said: str) -> str:
    """The end of gRPC's long account, where the cause stands."""
    return said.rpartition(": ")[2]
