import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import ProtocolError
from dfd.bridges.rtp.packets import MAX_PACKET_BYTES, RtpPacket, forward, is_rtcp, parse

packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
    st.binary(max_size=300),
)


@given(packets)
def test_a_packet_survives_encoding(packet: RtpPacket) -> None:
    assert parse(packet.encode()) == packet


@given(packets, st.integers(1, 60), st.lists(st.integers(0, 9), max_size=15), st.binary(max_size=8))
def test_padding_sources_and_extensions_are_removed(
    packet: RtpPacket, padding: int, sources: list[int], extension: bytes
) -> None:
    plain = packet.encode()
    words = extension + bytes(-len(extension) % 4)
    data = bytes([0x80 | 0x20 | 0x10 | len(sources)]) + plain[1:12]
    data += b"".join(one.to_bytes(4) for one in sources)
    data += b"\xbe\xde" + (len(words) // 4).to_bytes(2) + words
    data += packet.payload + bytes(padding - 1) + bytes([padding])
    assert parse(data) == packet


@given(st.binary(max_size=200))
def test_any_bytes_give_a_packet_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\x00", "too few"),
        (bytes([0x40]) + bytes(20), "version 1"),
        (bytes([0x8F]) + bytes(12), "longer"),
        (bytes([0x90]) + bytes(12), "cut off"),
        (bytes([0x90]) + bytes(11) + b"\0\0\xff\xff", "longer"),
        (bytes([0xA0]) + bytes(11) + b"\x09", "padding"),
        (bytes([0xA0]) + bytes(12), "padding"),
        (b"\x80" + bytes(MAX_PACKET_BYTES), "exceeds"),
    ],
)
def test_inconsistent_headers_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse(data)


def test_rtcp_is_distinguished_from_rtp() -> None:
    assert is_rtcp(bytes([0x80, 200, 0, 1]) + bytes(4))
    assert not is_rtcp(RtpPacket(0, 1, 1, 1, True, b"x").encode())


@given(st.integers(0, 0xFFFFFFFF), st.integers(-(2**31) + 1, 2**31 - 1))
def test_counters_wrap(start: int, step: int) -> None:
    assert forward((start + step) & 0xFFFFFFFF, start, 32) == step
