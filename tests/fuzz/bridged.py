"""A bridge's handling of untrusted bytes beyond single messages."""

from __future__ import annotations

from collections.abc import Iterator

from sipmessage import Request

from dfd.bridges.calls import ProtocolError
from dfd.bridges.media.codecs import STATIC_CODECS, Codec, make_decoder
from dfd.bridges.rtp import packets
from dfd.bridges.rtp.source import RtpCall
from dfd.bridges.sip import answers, bodies, digest, messages, metadata, offers, srtp

_CODECS = {**STATIC_CODECS, 96: Codec("OPUS", 48_000, 2)}
_KINDS = (*(one for one in _CODECS.values() if one.is_audio), Codec("PCMU", 16_000))
_DIGEST = digest.Authenticator({"alice": "secret"}, algorithms=("MD5", "SHA-256"))


def payloads(data: bytes) -> None:
    """Decodes payloads of one codec, given by the first byte; each follows its length in a byte."""
    decoder = make_decoder(_KINDS[data[0] % len(_KINDS)] if data else _KINDS[0])
    for payload in _parts(data[1:]):
        decoder.decode(payload)


def call(data: bytes) -> None:
    """Handles the packets of one RTP call, 20 ms apart, each after its length in a byte."""
    taker = RtpCall("call", _CODECS, {})
    now = 0.0
    for packet in _parts(data):
        now += 0.02
        try:
            taker.push(packets.parse(packet), now)
        except ProtocolError:
            continue
        taker.poll(now)
    taker.end("over")


def request(data: bytes) -> None:
    """Handles a SIP request with its body: credentials, offer, answer and metadata."""
    message = messages.parse(data)
    if not isinstance(message, Request):
        return
    _DIGEST.check(message.headers.get("Authorization"), message.method, 0.0)
    body = bodies.bodies_of(message)
    if body.sdp is not None:
        offer(body.sdp.encode())
    if body.metadata is not None:
        metadata.parse(body.metadata)


def offer(data: bytes) -> None:
    """Parses a session description with its keys, and chooses its lines."""
    lines = offers.parse(data.decode("utf-8", "replace"))
    for line in lines:
        srtp.choose(line.cryptos)
    answers.select(lines)


def credentials(data: bytes) -> None:
    """Parses the value of Authorization."""
    _DIGEST.check(data.decode("utf-8", "surrogateescape"), "INVITE", 0.0)


def _parts(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = data[at]
        yield data[at + 1 : at + 1 + size]
        at += 1 + size


def joined(*parts: bytes) -> bytes:
    """Joins parts, each after its length."""
    return b"".join(bytes([len(one)]) + one for one in parts)


def seed_call() -> bytes:
    """Makes speech, a lost packet, an event and another codec."""

    def packet(sequence: int, kind: int = 0, stamp: int | None = None) -> bytes:
        at = 160 * sequence if stamp is None else stamp
        return packets.RtpPacket(kind, sequence, at, 7, False, bytes(range(80)) * 2).encode()

    said = [packet(1), packet(2), packet(4), packet(5, 101), packet(6, 8), packet(7, 96, 9000)]
    return joined(*said)


def seed_request() -> bytes:
    """Makes a SIPREC session with both parts of its body."""
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 5004 RTP/SAVP 0 96\r\na=rtpmap:96 opus/48000/2\r\na=sendonly\r\na=label:1\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "\r\n"
    )
    xml = (
        '<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">'
        '<session session_id="s"/></recording>'
    )
    body = (
        f"--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n"
        f"--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n{xml}\r\n--b--\r\n"
    )
    return (
        "INVITE sip:dfd@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:dfd@c>\r\nCall-ID: 1@b\r\nCSeq: 1 INVITE\r\n"
        'Authorization: Digest username="alice", realm="dfd", nonce="a", uri="sip:dfd@c", '
        'response="00"\r\nContact: <sip:a@127.0.0.1>\r\nMax-Forwards: 70\r\n'
        f"Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def seed_offer() -> bytes:
    """Makes the description of that session."""
    raw = seed_request()
    return raw[raw.index(b"v=0") : raw.index(b"\r\n\r\n--b\r\nContent-Type: application/rs")]
