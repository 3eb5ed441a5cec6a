"""The parsers of untrusted bytes: a function for each, the errors it may raise, and seeds.

Anything else that a function raises is a mistake. `scripts/fuzz` lets atheris search for it;
`test_targets` spoils the seeds a little in every run of the tests.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dfd.bridges.audiosocket.messages import FrameReader
from dfd.bridges.calls import ProtocolError
from dfd.bridges.rtp import packets, rtcp, sdp
from dfd.bridges.sip import messages as sip
from dfd.bridges.sip import metadata as siprec
from dfd.bridges.sip.framing import Framer
from dfd.bridges.websocket.audiohook import AudioHook
from dfd.bridges.websocket.chan_websocket import ChanWebsocket
from dfd.bridges.websocket.dialects import Dialect
from dfd.bridges.websocket.forked import Forked
from dfd.bridges.websocket.twilio import Twilio
from dfd.daemon.errors import StatusError
from dfd.errors import UserError
from dfd.recordings import open_tracks
from dfd.recordings.ogg import OggLinks
from dfd.recordings.promises import wav_shortfall
from dfd.streaming.types import StreamError
from tests.fuzz import bridged, path
from tests.recordings.made import encode, many_channels, tone, wav

# what a pipe takes before anyone reads
_PIPE_BYTES = 65_536


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        run: takes the bytes.
        refusals: what it may raise.
        seeds: inputs that are right, to begin with.
    """

    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]


def _ogg(data: bytes) -> None:
    raw: Any = io.BufferedReader(io.BytesIO(data))
    links, total = OggLinks(raw), 0
    while links.next_link():
        while content := links.read(4096):
            total += len(content)
    assert total == len(data)


def _recording(data: bytes) -> None:
    descriptor = os.memfd_create("dfd-fuzz", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        for track in open_tracks(f"/proc/self/fd/{descriptor}"):
            for _ in track.read(8000):
                pass
    finally:
        os.close(descriptor)


def _piped(data: bytes) -> None:
    """The same through a pipe, which is opened only once and so is searched faster."""
    reading, writing = os.pipe()
    try:
        os.write(writing, data[:_PIPE_BYTES])
        os.close(writing)
        for track in open_tracks(f"/proc/self/fd/{reading}"):
            for _ in track.read(8000):
                pass
    finally:
        os.close(reading)


def _recordings() -> list[bytes]:
    kinds = (("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac"), ("mka", "aac"))
    return [wav(tone(0.2)), *_coded(*kinds)]


def _files() -> list[bytes]:
    """The same, and eight channels, for which libav goes back in the file."""
    with tempfile.TemporaryDirectory() as folder:
        wide = many_channels(Path(folder, "a.wv"), np.tile(tone(0.1), (8, 1)))
        return [*_recordings(), wide.read_bytes()]


def _coded(*kinds: tuple[str, str]) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            encode(Path(folder, f"a.{suffix}"), codec, tone(0.2)).read_bytes()
            for suffix, codec in kinds
        ]


def _frames(data: bytes) -> None:
    reader = FrameReader()
    for at in range(0, len(data), 7):
        reader.feed(data[at : at + 7])


def _framer(data: bytes) -> None:
    framer = Framer()
    for at in range(0, len(data), 11):
        for message in framer.feed(data[at : at + 11]):
            sip.parse(message)


def _lines(dialect: Callable[[], Dialect]) -> Callable[[bytes], None]:
    """Handles messages of one connection, one per line; those that are not UTF-8 are binary."""

    def run(data: bytes) -> None:
        taker = dialect()
        for line in data.split(b"\n"):
            try:
                message: str | bytes = line.decode()
            except UnicodeDecodeError:
                message = line
            taker.receive(message)
        taker.end()

    return run


def _twilio() -> list[bytes]:
    start: dict[str, Any] = {"callSid": "CA1", "streamSid": "MZ1", "tracks": ["inbound"]}
    start |= {"mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}
    media = {"track": "inbound", "timestamp": "20", "payload": "//////////8="}
    said: list[dict[str, Any]] = [
        {"event": "connected", "protocol": "Call"},
        {"event": "start", "streamSid": "MZ1", "start": start},
        {"event": "media", "streamSid": "MZ1", "media": media},
        {"event": "stop", "streamSid": "MZ1"},
    ]
    return ["\n".join(map(json.dumps, said)).encode()]


def _audiohook() -> list[bytes]:
    media = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
    opening = {"version": "2", "type": "open", "id": "a", "seq": 1, "serverseq": 0}
    opening |= {"position": "PT0S", "parameters": {"conversationId": "c", "media": [media]}}
    return [json.dumps(opening).encode() + b"\n" + bytes([0xFF] * 40)]


def _forked() -> Forked:
    return Forked((), rate_hz=8000, channel_count=1, fallback_id="a")


_SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + (
    b"m=audio 5004 RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\na=sendonly\r\n"
)
_SIP = (
    b"INVITE sip:dfd@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:dfd@c>\r\nCall-ID: 1@b\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:a@127.0.0.1>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
_RTP = bytes([0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7]) + bytes(160)
_RTCP = bytes([0x80, 200, 0, 6]) + bytes(24) + bytes([0x81, 203, 0, 1, 0, 0, 0, 7])
_SIPREC = (
    b'<?xml version="1.0"?><recording xmlns="urn:ietf:params:xml:ns:recording:1">'
    b'<session session_id="s"/><participant participant_id="p"><nameID aor="sip:a@b"/>'
    b'</participant><stream stream_id="m" session_id="s"><label>1</label></stream></recording>'
)
_AUDIOSOCKET = b"\x01\x00\x10" + bytes(range(16)) + b"\x10\x00\x04abcd" + b"\x00\x00\x00"

TARGETS = {
    "config": Target(path.config, (StatusError,), lambda: [path.seed_config()]),
    "stream": Target(path.stream, (StatusError, StreamError), lambda: [path.seed_stream()]),
    "detect": Target(path.recording, (StatusError, StreamError), lambda: [path.seed_recording()]),
    "recording": Target(_recording, (UserError,), _files),
    "recording-pipe": Target(_piped, (UserError,), _recordings),
    "ogg": Target(_ogg, (), lambda: [2 * one for one in _coded(("ogg", "libopus"))]),
    "wav": Target(
        lambda data: wav_shortfall(data[:4096], len(data)), (), lambda: [wav(tone(0.01))]
    ),
    "audiosocket": Target(_frames, (ProtocolError,), lambda: [_AUDIOSOCKET]),
    "rtp": Target(packets.parse, (ProtocolError,), lambda: [_RTP]),
    "rtcp": Target(rtcp.parse, (ProtocolError,), lambda: [_RTCP]),
    "sdp": Target(
        lambda data: sdp.parse(data.decode("utf-8", "replace")), (UserError,), lambda: [_SDP]
    ),
    "sip": Target(sip.parse, (ProtocolError,), lambda: [_SIP]),
    "sip-stream": Target(_framer, (ProtocolError,), lambda: [_SIP + _SIP]),
    "sip-request": Target(
        bridged.request, (ProtocolError,), lambda: [bridged.seed_request(), _SIP]
    ),
    "offer": Target(bridged.offer, (ProtocolError,), lambda: [bridged.seed_offer(), _SDP]),
    "digest": Target(
        bridged.credentials,
        (),
        lambda: [b'Digest username="alice", realm="dfd", nonce="a", qop=auth, nc=1, uri="x"'],
    ),
    "rtp-call": Target(bridged.call, (ProtocolError,), lambda: [bridged.seed_call()]),
    "payloads": Target(
        bridged.payloads,
        (ProtocolError,),
        lambda: [bytes([kind]) + bridged.joined(bytes(range(160)), bytes(4)) for kind in range(7)],
    ),
    "siprec": Target(siprec.parse, (ProtocolError,), lambda: [_SIPREC]),
    "twilio": Target(_lines(Twilio), (ProtocolError,), _twilio),
    "forked": Target(
        _lines(_forked),
        (ProtocolError,),
        lambda: [b'{"sampleRate": 48000, "mixType": "stereo", "metadata": {}}\n\xff\x00\xff\x01'],
    ),
    "audiohook": Target(_lines(AudioHook), (ProtocolError,), _audiohook),
    "chan-websocket": Target(
        _lines(ChanWebsocket),
        (ProtocolError,),
        lambda: [b"MEDIA_START connection_id:a channel:b format:ulaw optimal_frame_size:160\n\xff"],
    ),
}
