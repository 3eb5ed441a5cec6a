"""SRTP with keys in the session description (RFC 4568), through libsrtp."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from dfd.bridges.calls import ProtocolError
from dfd.errors import UserError

# Suite, libsrtp's profile, bytes of key and salt, in order of preference.
_SUITES = {
    "AEAD_AES_256_GCM": ("SRTP_PROFILE_AEAD_AES_256_GCM", 44),
    "AEAD_AES_128_GCM": ("SRTP_PROFILE_AEAD_AES_128_GCM", 28),
    "AES_CM_128_HMAC_SHA1_80": ("SRTP_PROFILE_AES128_CM_SHA1_80", 30),
    "AES_CM_128_HMAC_SHA1_32": ("SRTP_PROFILE_AES128_CM_SHA1_32", 30),
}
# Longest packet that libsrtp's Python binding accepts, in bytes.
_MAX_PACKET_BYTES = 1400


@dataclass(frozen=True, slots=True)
class Keys:
    """The chosen crypto line of an offer.

    Attributes:
        tag: its number in the offer.
        suite: its name in the offer.
        key: master key and salt together.
    """

    tag: str
    suite: str
    key: bytes = field(repr=False)

    def answer(self) -> str:
        """Returns the value of a=crypto that accepts it, with our own key."""
        own = base64.b64encode(secrets.token_bytes(_SUITES[self.suite][1])).decode()
        return f"{self.tag} {self.suite} inline:{own}"


def choose(cryptos: Iterable[str]) -> Keys | None:
    """Returns the first supported line; None if there is none."""
    return next((keys for one in cryptos if (keys := _read(one))), None)


def _read(value: str) -> Keys | None:
    fields = value.split()
    if len(fields) < 3 or not fields[0].isdecimal() or len(fields[0]) > 9:
        return None
    suite = fields[1].upper()
    # more than one key, key identifiers and disabled protection are not supported
    plain = len(fields) == 3 or all(one.startswith(("WSH=", "KDR=0")) for one in fields[3:])
    if suite not in _SUITES or not plain or ";" in fields[2]:
        return None
    method, _, rest = fields[2].partition(":")
    inline, *more = rest.split("|")
    if method.lower() != "inline" or any(":" in one for one in more):
        return None
    try:
        key = base64.b64decode(inline + "=" * (-len(inline) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    return Keys(fields[0], suite, key) if len(key) == _SUITES[suite][1] else None


class Unprotector:
    """Decrypts and verifies one stream's packets.

    Raises:
        UserError: if pylibsrtp is not installed.
    """

    def __init__(self, keys: Keys) -> None:
        try:
            import pylibsrtp
        except ModuleNotFoundError:
            raise UserError("SRTP needs pylibsrtp: pip install 'dfd[bridge]'") from None
        profile = getattr(pylibsrtp.Policy, _SUITES[keys.suite][0])
        policy = pylibsrtp.Policy(
            key=keys.key,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
            srtp_profile=profile,
        )
        self.keys = keys
        self._session = pylibsrtp.Session(policy=policy)
        self._errors = pylibsrtp.Error

    def rtp(self, data: bytes) -> bytes:
        """Returns the RTP packet.

        Raises:
            ProtocolError: if it was made with another key, altered, or replayed.
        """
        if len(data) > _MAX_PACKET_BYTES:
            raise ProtocolError(f"an SRTP packet of {len(data)} bytes is too long")
        try:
            return bytes(self._session.unprotect(data))
        except self._errors as error:
            raise ProtocolError(f"an SRTP packet that failed verification: {error}") from None

    def rtcp(self, data: bytes) -> bytes:
        """Returns the RTCP packet.

        Raises:
            ProtocolError: as for `rtp`.
        """
        if len(data) > _MAX_PACKET_BYTES:
            raise ProtocolError(f"an SRTCP packet of {len(data)} bytes is too long")
        try:
            return bytes(self._session.unprotect_rtcp(data))
        except self._errors as error:
            raise ProtocolError(f"an SRTCP packet that failed verification: {error}") from None
