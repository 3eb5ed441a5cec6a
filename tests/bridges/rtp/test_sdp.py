import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.media.codecs import Codec
from dfd.bridges.rtp.sdp import parse, payload, read
from dfd.errors import UserError

FFMPEG = """SDP:
v=0
o=- 0 0 IN IP4 127.0.0.1
s=No Name
c=IN IP4 127.0.0.1
t=0 0
a=tool:libavformat 59.27.100
m=audio 5004 RTP/AVP 97
b=AS:96
a=rtpmap:97 opus/48000/2
a=fmtp:97 sprop-stereo=1
"""
BARESIP = """v=0
o=- 3893 1 IN IP4 10.0.0.5
s=-
c=IN IP4 10.0.0.5
t=0 0
m=video 9 RTP/AVP 99
a=rtpmap:99 VP8/90000
m=audio 20000/2 RTP/AVP 96 9 0 8 101 13 77
c=IN IP4 127.0.0.9/127
a=rtpmap:96 L16/16000/2
a=rtpmap:9 G722/8000
a=rtpmap:101 telephone-event/8000
a=rtpmap:77 AMR/8000
a=rtcp:20005 IN IP4 127.0.0.9
a=ptime:20
m=audio 30000 RTP/AVP 0
"""


def test_what_ffmpeg_writes() -> None:
    media = parse(FFMPEG)
    assert (media.host, media.port, media.rtcp_port) == ("127.0.0.1", 5004, 5005)
    assert media.codecs == {97: Codec("OPUS", 48000)}
    assert media.session == "No Name"


def test_the_first_audio_section_is_used() -> None:
    media = parse(BARESIP.replace("\n", "\r\n"))
    assert (media.host, media.port, media.rtcp_port) == ("127.0.0.9", 20000, 20005)
    assert {number: codec.name for number, codec in media.codecs.items()} == {
        96: "L16",
        9: "G722",
        0: "PCMU",
        8: "PCMA",
        101: "TELEPHONE-EVENT",
        13: "CN",
    }
    assert media.codecs[96].channels == 2


def test_rtcp_on_the_same_port() -> None:
    assert parse(FFMPEG + "a=rtcp-mux\n").rtcp_port == 5004


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v=0\n", "m=audio"),
        ("m=video 5 RTP/AVP 99\n", "m=audio"),
        ("m=audio x RTP/AVP 0\n", "port"),
        ("m=audio 0 RTP/AVP 0\n", "port"),
        ("m=audio 5004 RTP/SAVP 0\n", "SRTP"),
        ("m=audio 5004 RTP/AVP 18\n", "no supported codec"),
        ("m=audio 5004 RTP/AVP 101\n", "no supported codec"),
        ("m=audio 5004 RTP/AVP 96\na=rtpmap:96 L16/96000\n", "resample"),
        ("m=audio 5004 RTP/AVP 96\na=rtpmap:96 opus/8000\n", "48000"),
    ],
)
def test_invalid_input_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(text)


@given(st.text(alphabet="mvcast=:/ 0123456789audiortpmRTPAVP\n\r.", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        parse("m=audio 5004 RTP/AVP 0\n" + text)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.sdp"
    with pytest.raises(UserError, match="cannot be read"):
        read(path)
    path.write_text(FFMPEG)
    assert read(path).port == 5004
    path.write_bytes(bytes(70000))
    with pytest.raises(UserError, match="exceeds"):
        read(path)
    path.write_text("hello")
    with pytest.raises(UserError, match=r"a\.sdp"):
        read(path)


def test_payload_types_of_the_command_line() -> None:
    assert payload("111=opus/48000/2") == (111, Codec("OPUS", 48000))
    assert payload("96=L16/16000/2") == (96, Codec("L16", 16000, 2))
    for wrong in ("opus", "111=opus", "200=opus/48000", "111=AMR/8000", "=PCMU/8000"):
        with pytest.raises(UserError, match="payload type"):
            payload(wrong)
