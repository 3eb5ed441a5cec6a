"""Stateless digest authentication (RFC 7616, RFC 8760; RFC 2617 for old agents).

A nonce is the time and a hash of it with a key of this process, so that a flood of requests
without credentials uses no memory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

_ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_NONCE_SECONDS = 300.0
_MAX_NONCES = 10_000
_MAX_HEADER_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking credentials.

    Attributes:
        user: name of the user; None if the credentials are not accepted.
        stale: correct except for an old nonce, which deserves another challenge.
        wrong: credentials of a known scheme that do not match, rather than absent.
    """

    user: str | None = None
    stale: bool = False
    wrong: bool = False


@dataclass(slots=True)
class Authenticator:
    """Makes challenges and checks credentials.

    Args:
        users: passwords by name.
        realm: realm in the challenges.
        algorithms: offered in this order, one header each; old agents give up when they see
            any algorithm other than MD5, wherever it is (baresip 1.0 does).
    """

    users: Mapping[str, str] = field(repr=False)
    realm: str = "dfd"
    algorithms: tuple[str, ...] = ("MD5",)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict, repr=False)

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """Returns the values of WWW-Authenticate."""
        nonce = self._nonce(now)
        more = ", stale=true" if stale else ""
        return [
            f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={name}, qop="auth"{more}'
            for name in self.algorithms
        ]

    def check(self, header: str | None, method: str, now: float) -> Verdict:
        """Checks the value of Authorization.

        Args:
            header: the header's value; None if there is none.
            method: method of the request.
            now: time on a monotonic clock, in seconds.
        """
        fields = _fields(header)
        if fields is None:
            return Verdict()
        name = fields.get("algorithm", "MD5").upper()
        make = _ALGORITHMS.get(name)
        user, nonce = fields.get("username", ""), fields.get("nonce", "")
        if make is None or name not in self.algorithms or fields.get("realm") != self.realm:
            return Verdict(wrong=True)

        def digest(text: str) -> str:
            return make(text.encode("utf-8", "surrogateescape")).hexdigest()

        password = self.users.get(user)
        # the same work for an unknown name
        first = digest(f"{user}:{self.realm}:{'' if password is None else password}")
        second = digest(f"{method}:{fields.get('uri', '')}")
        qop = fields.get("qop", "")
        if qop == "auth":
            middle = f"{nonce}:{fields.get('nc', '')}:{fields.get('cnonce', '')}:auth"
        elif not qop:
            middle = nonce  # RFC 2069, which old agents still use
        else:
            return Verdict(wrong=True)
        expected = digest(f"{first}:{middle}:{second}")
        response = fields.get("response", "").lower()
        fits = hmac.compare_digest(expected.encode(), response.encode("utf-8", "replace"))
        if password is None or not fits:
            return Verdict(wrong=True)
        if not self._fresh(nonce, now) or not self._counted(nonce, fields.get("nc", ""), qop):
            return Verdict(stale=True)
        return Verdict(user)

    def _nonce(self, now: float) -> str:
        stamp = f"{now:.3f}.{secrets.token_hex(4)}"
        return base64.b64encode(f"{stamp}.{self._seal(stamp)}".encode()).decode()

    def _seal(self, stamp: str) -> str:
        return hmac.new(self._key, stamp.encode(), hashlib.sha256).hexdigest()[:32]

    def _fresh(self, nonce: str, now: float) -> bool:
        try:
            text = base64.b64decode(nonce, validate=True).decode()
            stamp, _, seal = text.rpartition(".")
            made = float(stamp.rpartition(".")[0])
        except ValueError:
            return False
        return hmac.compare_digest(seal.encode(), self._seal(stamp).encode()) and (
            0 <= now - made <= _NONCE_SECONDS
        )

    def _counted(self, nonce: str, count: str, qop: str) -> bool:
        """Returns whether the nonce was unused with this count, since a response works once."""
        try:
            number = int(count, 16) if qop else 1
        except ValueError:
            return False
        if number <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = number
        self._counts.move_to_end(nonce)
        while len(self._counts) > _MAX_NONCES:
            self._counts.popitem(last=False)
        return True


def _fields(header: str | None) -> dict[str, str] | None:
    """Parses the parameters of a Digest header; None if it is not one.

    Uses the standard library instead of sipmessage, whose pattern for this header takes time that
    grows exponentially with the number of quotes that a stranger sends.
    """
    if header is None or len(header) > _MAX_HEADER_CHARACTERS:
        return None
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    pairs = [one for one in urllib.request.parse_http_list(rest) if "=" in one]
    fields: dict[str, str] = {}
    for one in pairs:
        name, _, value = one.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        fields[name.strip().lower()] = value
    return fields
