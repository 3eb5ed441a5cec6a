"""TLS: PEM files checked here, where a mistake can be told, and given to gRPC."""

import ssl
from pathlib import Path

import grpc

from dfd.errors import UserError


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the {what} {path}: {error.strerror}") from None


def server_credentials(
    cert: Path, key: Path, client_ca: Path | None = None
) -> grpc.ServerCredentials:
    """The credentials of a port.

    Args:
        cert: the certificate chain, PEM.
        key: its key, PEM, without a passphrase.
        client_ca: where given, clients must show a certificate that it signed.

    Raises:
        UserError: a file cannot be read or holds something else.
    """
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
            raise UserError(f"the TLS client CA {client_ca} holds no certificate in PEM") from None
    return grpc.ssl_server_credentials(
        [(secret, chain)],
        root_certificates=roots,
        require_client_auth=client_ca is not None,
    )


def _no_passphrase() -> str:
    raise ValueError("the key is encrypted")
