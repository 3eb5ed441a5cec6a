"""Tokens, keys and certificates: read at startup, and again when their files change."""

from pathlib import Path

import grpc

from dfd.daemon.endpoint.auth import Authenticator, read_tokens
from dfd.daemon.endpoint.jwt import JwtVerifier
from dfd.daemon.endpoint.tls import ServerTls
from dfd.daemon.options import ServeOptions
from dfd.daemon.resume.keys import read_keys
from dfd.daemon.resume.seal import Seal


class Secrets:
    """The secrets that decide who may connect.

    Raises:
        UserError: if a file cannot be read or is wrong.

    Attributes:
        auth: verifies tokens.
        seal: signs the states of streams.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self.auth = self._authenticator()
        self.seal = Seal(read_keys(options.resume_key), options.resume_seconds)
        self._tls: ServerTls | None = None
        if options.tls_cert is not None and options.tls_key is not None:
            self._tls = ServerTls(options.tls_cert, options.tls_key, options.tls_client_ca)
        self._seen = self._stamps()

    @property
    def credentials(self) -> grpc.ServerCredentials | None:
        """Returns the credentials of the port; None if it does not use TLS."""
        return None if self._tls is None else self._tls.credentials

    def changed(self) -> bool:
        """Returns whether a file has changed since it was last read."""
        return self._stamps() != self._seen

    def reread(self) -> None:
        """Reads all files again; existing connections and calls continue.

        Raises:
            UserError: if one of them is wrong; nothing is changed then.
        """
        self._seen = self._stamps()  # a wrong file is reported once, not every time
        auth = self._authenticator()
        named = self._options.resume_key
        keys = None if named is None else read_keys(named)
        if self._tls is not None:
            self._tls.reread()
        self.auth.adopt(auth)
        if keys is not None:
            self.seal.use(keys)

    def _authenticator(self) -> Authenticator:
        options = self._options
        signed = None
        if options.jwt_keys is not None:
            signed = JwtVerifier(options.jwt_keys, options.jwt_issuer, options.jwt_audience)
        tokens = None if options.token_file is None else read_tokens(options.token_file)
        return Authenticator(tokens, signed)

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        options = self._options
        paths = (options.token_file, options.jwt_keys, options.resume_key)
        return [
            _stamp(path)
            for path in (*paths, options.tls_cert, options.tls_key, options.tls_client_ca)
        ]


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = None if path is None else path.stat()
    except OSError:
        return (0, 0, 0)
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)
