"""A session's state as bytes that no client can forge, and back.

The bytes are a version, the name of a key, an HMAC-SHA256 by that key, and a body that anyone
may read: it holds nothing but what the stream was told. What the state belongs to is signed
with it, so that it serves no other stream, caller, model or configuration.
"""

import hashlib
import hmac
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from dfd.streaming.state import SessionState

# One more whenever the meaning of a state changes: an older one is then refused.
_VERSION = b"\x01"
_KEY_NAME_BYTES = 4
_MAC_BYTES = 32
_HEAD_BYTES = len(_VERSION) + _KEY_NAME_BYTES + _MAC_BYTES
MOST_BYTES = 64 << 10
# Clocks of several nodes may differ by this much.
_SKEW_SECONDS = 30.0


class RefusedStateError(ValueError):
    """A state that is not taken; the message says why, in words for whoever runs the service."""


@dataclass(frozen=True, slots=True)
class Belongs:
    """What a state belongs to.

    Attributes:
        stream_id: as the client named the stream.
        caller: name of its token, empty without one.
        weights_sha256: of the model.
        configuration: digest of all that decides how the audio is judged.
    """

    stream_id: str
    caller: str
    weights_sha256: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is signed.

    Attributes:
        at: when, in seconds of the epoch.
        call: of the journal; empty where none is kept.
    """

    at: float
    belongs: Belongs
    call: str
    state: SessionState


class Seal:
    """Signs states and knows its own again.

    Args:
        keys: the first signs, all are known again.
        lifetime_seconds: an older state is refused.
        clock: seconds of the epoch.
    """

    def __init__(
        self,
        keys: tuple[bytes, ...],
        lifetime_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Sealed)
        self.go_on_with(keys)

    def go_on_with(self, keys: tuple[bytes, ...]) -> None:
        """Takes other keys."""
        self._keys = {_name(key): key for key in keys}
        self._signs = keys[0]

    def close(self, belongs: Belongs, call: str, state: SessionState) -> bytes:
        """Signs a state."""
        sealed = Sealed(self._clock(), belongs, call, state)
        body = zlib.compress(self._encoder.encode(sealed), 1)
        name = _name(self._signs)
        return _VERSION + name + _mac(self._signs, body) + body

    def open(self, raw: bytes, belongs: Belongs) -> Sealed:
        """Knows a state again.

        Raises:
            RefusedStateError: if it was not signed here, is too old, or belongs elsewhere.
        """
        head, body = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
        if len(raw) > MOST_BYTES or len(head) < _HEAD_BYTES:
            raise RefusedStateError("it is not a state")
        if head[:1] != _VERSION:
            raise RefusedStateError("it was made by another version of dfd")
        key = self._keys.get(head[1 : 1 + _KEY_NAME_BYTES])
        if key is None:
            raise RefusedStateError(
                "it was signed with a key that this server does not have; give all nodes of the "
                "service the same --resume-key"
            )
        if not hmac.compare_digest(head[1 + _KEY_NAME_BYTES :], _mac(key, body)):
            raise RefusedStateError("its signature is wrong: it was damaged or forged")
        try:
            sealed = self._decoder.decode(zlib.decompress(body))
        except (msgspec.DecodeError, zlib.error):
            raise RefusedStateError("it was made by another version of dfd") from None
        self._check(sealed, belongs)
        return sealed

    def _check(self, sealed: Sealed, belongs: Belongs) -> None:
        age = self._clock() - sealed.at
        if age > self._lifetime_seconds or age < -_SKEW_SECONDS:
            raise RefusedStateError(
                f"it is {age:.0f} s old, and this server takes none of more than "
                f"{self._lifetime_seconds:g} s"
            )
        of = sealed.belongs
        if of.stream_id != belongs.stream_id or of.caller != belongs.caller:
            raise RefusedStateError("it belongs to another stream or caller")
        if of.weights_sha256 != belongs.weights_sha256:
            raise RefusedStateError("it was made with another model than this server has")
        if of.configuration != belongs.configuration:
            raise RefusedStateError("it was made with another configuration of the stream")


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"name" + key).digest()[:_KEY_NAME_BYTES]


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, _VERSION + body, "sha256")
