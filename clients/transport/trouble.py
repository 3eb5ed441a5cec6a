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
    """Why a client cannot use its server.

    Attributes:
        reason: a stable word: refused, tls, token, name, timeout, version, closed, other, or the
            server's own reason in lower case, such as warming_up.
        advice: a sentence for people.
    """

    reason: str
    advice: str


def diagnose(error: DetectionError, connection: Connection) -> Trouble:
    """Finds the reason behind an error, and what to do about it.

    If a server closes an unencrypted connection without an answer, this checks whether it expects
    TLS, which takes a moment; nothing else is sent.
    """
    server, message, low = connection.server, error.message.rstrip("."), error.message.lower()
    if error.code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return Trouble(
            "token",
            f"{server} refused: {message}; set DFD_TOKEN or --token-file to a token that it"
            " accepts",
        )
    if error.code == "RESOURCE_EXHAUSTED":
        return Trouble(_word(error, "full"), f"{server} is full: {message}; try again later")
    if error.code == "UNIMPLEMENTED":
        return Trouble("version", f"what answers at {server} is not a daemon of this version")
    if error.reason:
        return Trouble(error.reason.lower(), f"{server}: {message} ({error.reason})")
    if error.code == "DEADLINE_EXCEEDED":
        return Trouble(
            "timeout", f"{server} did not answer in time: check whether it is overloaded"
        )
    if error.code != "UNAVAILABLE":
        return Trouble("other", f"{server}: {message} ({error.code})")
    if any(word in low for word in ("ssl", "tls", "handshake", "certificate", "hostname")):
        return Trouble("tls", _encrypted(server, message, connection))
    if any(word in low for word in ("dns", "name resolution", "resolve")):
        return Trouble("name", f"the name in {server} cannot be resolved: check --server")
    if "timed out" in low or "timeout" in low:
        return Trouble("timeout", f"nothing answered at {server} in time: check --server")
    if "refused" not in low and ("closed" in low or "reset" in low):
        return _closed(server, connection)
    return Trouble(
        "refused",
        f"no server answers at {server}: start one with dfd serve, or name another with"
        f" --server ({cause(message)})",
    )


def speaks_tls(server: str) -> bool:
    """Returns whether the listener at "host:port" speaks TLS; nothing it says is trusted."""
    host, _, port = server.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS) as plain,
            # with TLS 1.3 this much happens before a client's certificate is requested
            context.wrap_socket(plain, server_hostname=host.strip("[]")),
        ):
            return True
    except ssl.SSLError as error:
        # a TLS alert also means TLS; plain text does not
        return "ALERT" in (error.reason or "")
    except (OSError, ValueError):
        return False


def _closed(server: str, connection: Connection) -> Trouble:
    """Explains a connection that was closed without an answer."""
    if not speaks_tls(server):
        return Trouble("closed", f"{server} closes the connection: is it a dfd daemon?")
    if uses_tls(connection):
        return Trouble(
            "tls",
            f"{server} closes the encrypted connection: if it requires a client certificate,"
            " give one"
            " with --tls-cert and --tls-key",
        )
    how = "leave out --insecure, and name" if connection.insecure else "name"
    return Trouble(
        "tls",
        f"{server} uses TLS but this client does not: {how} its certificate authority with"
        " --tls-ca",
    )


def _encrypted(server: str, message: str, connection: Connection) -> str:
    """Explains why a TLS handshake failed."""
    low = message.lower()
    if "wrong_version_number" in low or "http_request" in low:
        return (
            f"{server} does not use TLS but this client does: use --insecure if that is intended,"
            " or serve with --tls-cert and --tls-key"
        )
    if "expired" in low:
        return f"the certificate of {server} has expired: renew it on the server"
    if "not yet valid" in low:
        return f"the certificate of {server} is not valid yet: check the clocks of both machines"
    if "hostname" in low:
        return f"the certificate of {server} is for another name: use that name with --server"
    if "certificate_verify_failed" in low:
        authority = connection.tls_ca
        issuer = (
            f"an authority in {authority}" if authority else "an authority that this machine trusts"
        )
        return f"the certificate of {server} is not signed by {issuer}: name its own with --tls-ca"
    return f"no encrypted connection to {server}: see --tls-ca and --insecure ({cause(message)})"


def _word(error: DetectionError, otherwise: str) -> str:
    return error.reason.lower() or otherwise


def cause(message: str) -> str:
    """Returns the end of gRPC's long message about a connection, where the cause is."""
    return message.rpartition(": ")[2]
