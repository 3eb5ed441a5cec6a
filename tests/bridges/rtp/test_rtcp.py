import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import ProtocolError
from dfd.bridges.rtp.rtcp import parse


def packet(kind: int, count: int, body: bytes) -> bytes:
    assert len(body) % 4 == 0
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body


def sender_report(ssrc: int, packets: int) -> bytes:
    return packet(200, 0, struct.pack(">IQIII", ssrc, 0, 0, packets, 0))


def description(ssrc: int, name: bytes) -> bytes:
    chunk = struct.pack(">IBB", ssrc, 1, len(name)) + name + b"\0"
    return packet(202, 1, chunk + bytes(-len(chunk) % 4))


def test_a_compound_packet() -> None:
    data = (
        sender_report(7, 99) + description(7, b"alice@host") + packet(203, 1, struct.pack(">I", 7))
    )
    news = parse(data)
    assert news.senders == {7: 99}
    assert news.names == {7: "alice@host"}
    assert news.left == (7,)


@pytest.mark.parametrize("length", range(1, 9))
def test_names_with_every_alignment(length: int) -> None:
    assert parse(description(5, b"n" * length)).names == {5: "n" * length}


@given(st.binary(max_size=120))
def test_any_bytes_give_rtcp_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse(data)


@given(st.integers(192, 223), st.integers(0, 31), st.binary(max_size=80))
def test_any_body(kind: int, count: int, body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse(packet(kind, count, body + bytes(-len(body) % 4)))


def test_other_packets_are_skipped() -> None:
    assert parse(packet(201, 1, bytes(28))).left == ()
