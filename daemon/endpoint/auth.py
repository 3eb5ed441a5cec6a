"""Bearer tokens: read from a TOML file, compared in constant time, never shown."""

import hashlib
import hmac
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import grpc

from dfd.daemon.errors import StatusError
from dfd.errors import UserError

_KEYS = {"name", "token", "sha256", "allow", "streams", "minutes", "models"}


class Right(Enum):
    """A right that a token may grant."""

    DETECT = "detect"
    INFO = "info"
    WATCH = "watch"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored, by its digest.

    Attributes:
        name: shown in the log instead of the token.
        digest: SHA-256 of the token.
        streams: most concurrent streams in one process; None means no limit.
        minutes: most minutes of audio a day; None means no limit.
        models: models that may be used; None means all.
    """

    name: str
    digest: bytes
    allow: frozenset[Right]
    streams: int | None = None
    minutes: float | None = None
    models: frozenset[str] | None = None


class Verifier(Protocol):
    """Verifies tokens that are signed rather than listed."""

    def verify(self, secret: str) -> Token | None:
        """Returns what a token allows; None if it is not valid."""


class Authenticator:
    """Checks the `authorization` metadata of calls.

    Args:
        tokens: the tokens in the file; None if there is no file.
        signed: verifies tokens signed by an issuer. Without either, everyone is admitted.
    """

    def __init__(self, tokens: tuple[Token, ...] | None, signed: Verifier | None = None) -> None:
        self._tokens = tokens
        self._signed = signed

    def adopt(self, other: "Authenticator") -> None:
        """Adopts what another authenticator knows; running calls are not affected."""
        self._tokens, self._signed = other._tokens, other._signed

    @property
    def required(self) -> bool:
        """Whether a token is required."""
        return self._tokens is not None or self._signed is not None

    def check(
        self, metadata: Iterable[tuple[str, str | bytes]] | None, right: Right
    ) -> Token | None:
        """Returns the caller's token; None if none is required.

        Raises:
            StatusError: with TOKEN_MISSING, TOKEN_UNKNOWN or TOKEN_NOT_ALLOWED.
        """
        if not self.required:
            return None
        given = [value for key, value in metadata or () if key == "authorization"]
        scheme, _, secret = _text(given[0]).partition(" ") if given else ("", "", "")
        if len(given) != 1 or scheme.lower() != "bearer" or not secret.strip():
            raise StatusError(
                grpc.StatusCode.UNAUTHENTICATED,
                "TOKEN_MISSING",
                "this server requires a token; send the metadata authorization: Bearer <token>",
            )
        digest = hashlib.sha256(secret.strip().encode()).digest()
        found = None
        for token in self._tokens or ():  # compare with all, so that timing reveals nothing
            if hmac.compare_digest(token.digest, digest):
                found = token
        if found is None and self._signed is not None:
            found = self._signed.verify(secret.strip())
        if found is None:
            raise StatusError(
                grpc.StatusCode.UNAUTHENTICATED,
                "TOKEN_UNKNOWN",
                "the token is not known to this server; check it, or ask for a new one",
            )
        if right not in found.allow:
            raise StatusError(
                grpc.StatusCode.PERMISSION_DENIED,
                "TOKEN_NOT_ALLOWED",
                f"the token does not allow {right.value}; use one that does",
                metadata={"needed": right.value},
            )
        return found


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Reads `[[tokens]]` tables with `name`, `token` or `sha256`, and `allow`.

    Raises:
        UserError: if the file cannot be read or is wrong; the message shows no secret.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the token file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"the token file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        # the message names a line and a column, not the text
        raise UserError(f"the token file {path} is not TOML: {error}") from None
    entries = table.pop("tokens", None)
    if table or not isinstance(entries, list) or not entries:
        raise UserError(f"the token file {path} must contain [[tokens]] tables and nothing else")
    tokens = tuple(_token(entry, f"{path}, token {at}") for at, entry in enumerate(entries, 1))
    for kind, values in (
        ("name", [token.name for token in tokens]),
        ("secret", [token.digest for token in tokens]),
    ):
        if len(set(values)) < len(values):
            raise UserError(f"{path}: two tokens have the same {kind}; make them different")
    return tokens


def _token(entry: object, where: str) -> Token:
    if not isinstance(entry, dict) or not entry.keys() <= _KEYS:
        raise UserError(f"{where}: unknown key; the keys of a token are {', '.join(sorted(_KEYS))}")
    name, secret, digest = entry.get("name"), entry.get("token"), entry.get("sha256")
    if not isinstance(name, str) or not name:
        raise UserError(f"{where}: give it a name")
    if isinstance(secret, str) and secret.strip() and digest is None:
        digest = hashlib.sha256(secret.strip().encode()).hexdigest()
    elif secret is not None or not isinstance(digest, str):
        raise UserError(f"{where}: give either token or sha256, as text")
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise UserError(f"{where}: sha256 must be 64 hexadecimal digits")
    return Token(
        name,
        raw,
        _rights(entry.get("allow", ["detect", "info"]), where),
        _positive(entry, "streams", int, where),
        _positive(entry, "minutes", (int, float), where),
        _models(entry.get("models"), where),
    )


def _positive(entry: dict[str, Any], key: str, kinds: Any, where: str) -> Any:
    value = entry.get(key)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, kinds) or value <= 0
    ):
        raise UserError(f"{where}: {key} must be a number above 0; leave it out for no limit")
    return value


def _models(models: object, where: str) -> frozenset[str] | None:
    if models is None:
        return None
    if not isinstance(models, list) or not all(isinstance(name, str) for name in models):
        raise UserError(f"{where}: models must be a list of names; leave it out for all")
    return frozenset(models)


def _rights(allow: object, where: str) -> frozenset[Right]:
    try:
        if not isinstance(allow, list):
            raise TypeError
        return frozenset(Right(right) for right in allow)
    except (TypeError, ValueError):
        known = ", ".join(right.value for right in Right)
        raise UserError(f"{where}: allow must be a list of {known}") from None
