"""A session's state as bytes that no client can forge, and back again.

The bytes are a version, the name of a key, an HMAC-SHA256 made with that key, and a body that is
not encrypted: it contains only what the stream was told. The stream, caller, model and
configuration are signed too, so that the state is of no use to any other.
"""

import hashlib
import hmac
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from dfd.streaming.state import SessionState

# Raise it whenever the meaning of a state changes: older states are then refused.
_VERSION = b"\x01"
_KEY_NAME_BYTES = 4
_MAC_BYTES = 32
_HEAD_BYTES = len(_VERSION) + _KEY_NAME_BYTES + _MAC_BYTES
MOST_BYTES = 64 << 10
# The clocks of nodes may differ by this much.
_SKEW_SECONDS = 30.0


class RefusedStateError(ValueError):
    """A state that is refused; the message gives the operator the reason."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a state is bound to.

    Attributes:
        stream_id: id that the client gave the stream.
        caller: name of the client's token, empty without one.
        weights_sha256: digest of the model's weights.
        configuration: digest of everything that decides how the audio is judged.
    """

    stream_id: str
    caller: str
    weights_sha256: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is signed.

    Attributes:
        at: time of signing, in seconds since the epoch.
        call: key of the call in the journal; empty without a journal.
    """

    at: float
    binding: Binding
    call: str
    state: SessionState


class Seal:
    """Signs states, and verifies those that come back.

    Args:
        keys: the first one signs; signatures of all of them are accepted.
        lifetime_seconds: older states are refused.
        clock: seconds since the epoch.
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
        self.use(keys)

    def use(self, keys: tuple[bytes, ...]) -> None:
        """Replaces the keys."""
        self._keys = {_name(key): key for key in keys}
        self._signing_key = keys[0]

    def sign(self, binding: Binding, call: str, state: SessionState) -> bytes:
        """Signs a state."""
        sealed = Sealed(self._clock(), binding, call, state)
        body = zlib.compress(self._encoder.encode(sealed), 1)
        name = _name(self._signing_key)
        return _VERSION + name + _mac(self._signing_key, body) + body

    def open(self, raw: bytes, binding: Binding) -> Sealed:
        """Verifies and reads a state.

        Raises:
            RefusedStateError: if it was not signed by one of the keys, is too old, or is bound to
                something else.
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
        self._check(sealed, binding)
        return sealed

    def _check(self, sealed: Sealed, binding: Binding) -> None:
        age = self._clock() - sealed.at
        if age > self._lifetime_seconds or age < -_SKEW_SECONDS:
            raise RefusedStateError(
                f"it is {age:.0f} s old, and this server accepts none older than "
                f"{self._lifetime_seconds:g} s"
            )
        signed = sealed.binding
        if signed.stream_id != binding.stream_id or signed.caller != binding.caller:
            raise RefusedStateError("it belongs to another stream or caller")
        if signed.weights_sha256 != binding.weights_sha256:
            raise RefusedStateError("it was made with another model, not the one on this server")
        if signed.configuration != binding.configuration:
            raise RefusedStateError("it was made with another configuration of the stream")


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"name" + key).digest()[:_KEY_NAME_BYTES]


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, _VERSION + body, "sha256")
