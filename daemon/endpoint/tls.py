"""TLS: PEM files are checked here, so that mistakes can be reported, then given to gRPC."""

import ssl
from pathlib import Path
from typing import Any

import grpc

from dfd.errors import UserError


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the {what} {path}: {error.strerror}") from None


class ServerTls:
    """The credentials of a port, which may change while it is open.

    Args:
        cert: PEM file of the certificate chain.
        key: PEM file of its key, without a passphrase.
        client_ca: if given, clients must present a certificate that it signed.

    Raises:
        UserError: if a file cannot be read or contains anything else.

    Attributes:
        credentials: credentials for the port.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        self._files = (cert, key, client_ca)
        self._fresh: grpc.ServerCertificateConfiguration | None = None
        self.credentials = grpc.dynamic_ssl_server_credentials(
            _read_all(*self._files), self._fetch, require_client_authentication=bool(client_ca)
        )

    def reread(self) -> None:
        """Uses the present content of the files for new connections.

        Raises:
            UserError: if they are wrong; the previous ones stay in use.
        """
        self._fresh = _read_all(*self._files)

    def _fetch(self) -> Any:
        """Returns the configuration for a handshake; None means unchanged, which the stubs omit."""
        fresh, self._fresh = self._fresh, None
        return fresh


def _read_all(cert: Path, key: Path, client_ca: Path | None) -> grpc.ServerCertificateConfiguration:
    chain, secret = _read(cert, "TLS certificate"), _read(key, "TLS key")
    roots = _read(client_ca, "TLS client CA") if client_ca is not None else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError):
        raise UserError(
            f"{cert} and {key} are not a certificate and its unencrypted key in PEM form"
        ) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError:
            raise UserError(f"the TLS client CA {client_ca} contains no PEM certificate") from None
    return grpc.ssl_server_certificate_configuration([(secret, chain)], root_certificates=roots)


def _no_passphrase() -> str:
    raise ValueError("the key is encrypted")
