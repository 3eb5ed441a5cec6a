import functools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.daemon.resume.seal import Binding, RefusedStateError, Seal
from dfd.streaming.session import StreamSession
from dfd.streaming.state import SessionState
from dfd.streaming.types import Window, WindowStatus
from tests.streaming.helpers import LoudnessVad, linear16, mono, speech_like

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
# the state is sealed at collection, long before the tests run
AGE = 86_400.0
BINDING = Binding("call-7", "alice", "ab" * 32, "c0ffee")


def judged() -> SessionState:
    session = StreamSession(mono(), LoudnessVad, keep_state=True)
    for event in session.feed(linear16(speech_like(9.0))):
        if isinstance(event, Window):
            session.resolve(event, WindowStatus.SCORED, 1.25)
    assert session.state is not None
    return session.state


STATE = judged()
SEALED = Seal((KEY,), AGE).sign(BINDING, "d00d", STATE)


def test_a_sealed_state_is_opened_unchanged() -> None:
    opened = Seal((KEY,), AGE).open(SEALED, BINDING)
    assert opened.state == STATE
    assert opened.call == "d00d"


def test_a_state_is_small() -> None:
    assert len(SEALED) < 1200


def test_keys_are_rotated_without_interruption() -> None:
    both = Seal((OTHER_KEY, KEY), AGE)
    assert both.open(SEALED, BINDING).state == STATE
    with pytest.raises(RefusedStateError, match="--resume-key"):
        Seal((KEY,), AGE).open(both.sign(BINDING, "", STATE), BINDING)


@given(at=st.integers(0, len(SEALED) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_refused(at: int, flip: int) -> None:
    forged = bytearray(SEALED)
    forged[at] ^= flip
    with pytest.raises(RefusedStateError):
        Seal((KEY,), AGE).open(bytes(forged), BINDING)


@given(st.binary(max_size=300))
def test_forged_states_are_refused(raw: bytes) -> None:
    for start in (b"", SEALED[:5], SEALED[:37]):
        with pytest.raises(RefusedStateError):
            Seal((KEY,), AGE).open(start + raw, BINDING)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stream_id": "call-8"}, "another stream"),
        ({"caller": ""}, "another stream or caller"),
        ({"weights_sha256": "cd" * 32}, "another model"),
        ({"configuration": "beef"}, "another configuration"),
    ],
)
def test_a_state_is_bound_to_its_stream(change: dict[str, str], why: str) -> None:
    with pytest.raises(RefusedStateError, match=why):
        Seal((KEY,), AGE).open(SEALED, replace(BINDING, **change))


def test_a_state_expires() -> None:
    closed = Seal((KEY,), 60.0, lambda: 1000.0).sign(BINDING, "", STATE)
    assert Seal((KEY,), 60.0, lambda: 1059.0).open(closed, BINDING).at == 1000.0
    for now in (1061.0, 960.0):  # or the clock of its sender is wrong
        with pytest.raises(RefusedStateError, match="s old"):
            Seal((KEY,), 60.0, functools.partial(float, now)).open(closed, BINDING)


def test_signed_content_that_is_not_a_state_is_refused() -> None:
    """As from another version of dfd that has the same key."""
    import hmac
    import zlib

    for body in (zlib.compress(b"\x80"), b"not compressed"):
        mac = hmac.digest(KEY, SEALED[:1] + body, "sha256")
        with pytest.raises(RefusedStateError, match="another version"):
            Seal((KEY,), AGE).open(SEALED[:5] + mac + body, BINDING)
