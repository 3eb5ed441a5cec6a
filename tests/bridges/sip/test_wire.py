"""Untrusted input, from messages to metadata: complete, in pieces, and damaged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sipmessage import Request

from dfd.bridges.calls import ProtocolError
from dfd.bridges.sip import metadata, offers
from dfd.bridges.sip.answers import select, write
from dfd.bridges.sip.bodies import bodies_of
from dfd.bridges.sip.framing import Framer
from dfd.bridges.sip.messages import MAX_MESSAGE_BYTES, parse, respond, top_via
from tests.bridges.sip.kit import METADATA, line, multipart, offer, request
from tests.bridges.sip.test_agent import AgentHarness

BODY, KIND = multipart(offer(line(40000, label="96"), line(40002, label="97")))
INVITE = request("INVITE", body=BODY, kind=KIND, headers=("Require: siprec",))


def read(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_a_header_continued_on_the_next_line() -> None:
    folded = INVITE.replace(b"Max-Forwards: 70", b"Subject: a long\r\n  story\r\nMax-Forwards: 70")
    assert read(folded).subject == "a long story"


def test_compact_names_are_understood() -> None:
    short = INVITE.replace(b"Call-ID:", b"i:").replace(b"Via:", b"v:").replace(b"From:", b"f:")
    assert read(short).call_id == "call-1"


def test_vias_in_every_form() -> None:
    for text, host, port, branch in (
        ("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport", "192.0.2.1", 5070, "z9hG4bKa"),
        ("SIP / 2.0 / TCP Host.example ;branch=x, SIP/2.0/UDP b", "host.example", None, "x"),
        ("SIP/2.0/UDP [2001:db8::9]:5060;received=2001:db8::9", "[2001:db8::9]", 5060, ""),
    ):
        first = INVITE.index(b"Via: ") + 5
        end = INVITE.index(b"\r\n", first)
        via = top_via(read(INVITE[:first] + text.encode() + INVITE[end:]))
        assert (via.host, via.port, via.branch) == (host, port, branch)


@pytest.mark.parametrize(
    "wrong",
    [
        INVITE.replace(b"Via:", b"Vie:"),
        INVITE.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        INVITE.replace(b"CSeq: 1 INVITE", b"CSeq: 99999999999 INVITE"),
        INVITE.replace(b"Content-Length: ", b"Content-Length: 9"),
        INVITE.replace(b"Content-Length: ", b"Content-Length: -"),
        INVITE.replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1),
        INVITE.replace(b"Max-Forwards: 70", b"X: y\r\n" * 300 + b"Max-Forwards: 70"),
        b"\xff\xfe\r\n\r\n",
        b"SIP/2.0 9999 What\r\n\r\n",
        b"x" * (MAX_MESSAGE_BYTES + 1),
    ],
)
def test_other_bytes_are_not_a_message(wrong: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(wrong)


def test_an_answer_copies_the_required_headers() -> None:
    text = bytes(respond(read(INVITE), 200, tag="mine")).decode()
    assert ";tag=mine\r\n" in text
    assert "Call-ID: call-1\r\n" in text
    assert text.endswith("Content-Length: 0\r\n\r\n")


@given(st.lists(st.integers(1, 400), max_size=40))
def test_a_stream_is_split_the_same_in_any_pieces(cuts: list[int]) -> None:
    other = request("OPTIONS")
    whole = b"\r\n" + INVITE + b"\r\n\r\n" + other
    framer, found, at = Framer(), [], 0
    for size in [*cuts, len(whole)]:
        found += framer.feed(whole[at : at + size])
        at += size
    assert found == [INVITE, other]
    assert framer.pings == 1


def test_an_endless_message_is_abandoned() -> None:
    with pytest.raises(ProtocolError):
        Framer().feed(b"x" * (MAX_MESSAGE_BYTES + 1))
    with pytest.raises(ProtocolError):
        Framer().feed(request("OPTIONS").replace(b"Content-Length: 0\r\n", b""))
    with pytest.raises(ProtocolError):
        Framer().feed(INVITE.replace(b"Content-Length: ", b"Content-Length: 9999999"))


def test_the_body_of_siprec_is_parsed() -> None:
    found = bodies_of(read(INVITE))
    assert found.sdp is not None
    assert [one.label for one in offers.parse(found.sdp)] == ["96", "97"]
    assert found.metadata is not None
    told = metadata.parse(found.metadata)
    assert {label: str(party) for label, party in told.parties.items()} == {
        "96": "Ann <sip:ann@example.org>",
        "97": "sip:bob@example.org",
    }


@pytest.mark.parametrize(
    "text",
    ["", "<a", METADATA.replace("<recording", "<!DOCTYPE r [<!ENTITY a 'b'>]><recording", 1), "\0"],
)
def test_invalid_metadata_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        metadata.parse(text.encode())


def test_metadata_of_an_earlier_draft() -> None:
    text = METADATA.replace(
        "urn:ietf:params:xml:ns:recording:1", "urn:ietf:params:xml:ns:recording"
    )
    assert metadata.parse(text.encode()).session_id == "hVpd7YQgRW2nD22h7q60JQ=="


OFFERED = [
    ("0 8", "", 0, "PCMU"),
    ("8 0", "", 8, "PCMA"),
    ("18 9 0", "", 9, "G722"),
    ("96 0", "a=rtpmap:96 opus/48000/2", 96, "OPUS"),
    ("97", "a=rtpmap:97 L16/16000", 97, "L16"),
    ("97 8", "a=rtpmap:97 L16/44100/2", 8, "PCMA"),
]


@pytest.mark.parametrize(("formats", "mapped", "number", "name"), OFFERED)
def test_the_first_supported_codec_is_chosen(
    formats: str, mapped: str, number: int, name: str
) -> None:
    lines = offers.parse(offer(line(40000, formats, mapped)))
    (heard,) = select(lines)
    assert (heard.payload_type, heard.codec.name) == (number, name)
    answer = write(lines, {0: (heard, 30000)}, "192.0.2.1", (1, 1)).decode()
    assert f"m=audio 30000 RTP/AVP {number}\r\n" in answer


def test_both_lines_get_one_rate() -> None:
    first = line(40000, "96 0", "a=rtpmap:96 opus/48000/2")
    lines = offers.parse(offer(first, line(40002, "8")))
    assert [one.codec.name for one in select(lines)] == ["PCMU", "PCMA"]


def test_the_answer_has_a_line_for_every_line_of_the_offer() -> None:
    video = ["m=video 5000 RTP/AVP 31"]
    lines = offers.parse(offer(video, line(40000, "0 101", "a=rtpmap:101 telephone-event/8000")))
    (heard,) = select(lines)
    rows = write(lines, {1: (heard, 30000)}, "::1", (1, 1)).decode().splitlines()
    assert "c=IN IP6 ::1" in rows
    assert [row for row in rows if row.startswith("m=")] == [
        "m=video 0 RTP/AVP 31",
        "m=audio 30000 RTP/AVP 0 101",
    ]
    assert "a=rtpmap:101 telephone-event/8000" in rows


def test_hold_in_the_old_form() -> None:
    (one,) = offers.parse(offer(line(direction="sendrecv"), host="0.0.0.0"))
    assert not one.sends


garbage = st.binary(max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damaged_message_raises_an_exception(data: st.DataObject) -> None:
    """Any input gives an answer or none, but never an exception or a leftover call."""
    chosen = data.draw(st.sampled_from([INVITE, request("OPTIONS"), request("BYE", to_tag="x")]))
    at = data.draw(st.integers(0, len(chosen)))
    to = data.draw(st.integers(at, min(len(chosen), at + 200)))
    broken = chosen[:at] + data.draw(garbage) + chosen[to:]
    harness = AgentHarness()
    try:
        message = parse(broken)
    except ProtocolError:
        return
    harness.agent.receive(message, harness, 1.0)
    assert len(harness.sent) <= 1
    if harness.sent:
        assert harness.sent[0].startswith(b"SIP/2.0 ")
        assert not harness.sent[0].startswith(b"SIP/2.0 500 Server")
    harness.later(70.0, 1.0)
    assert harness.agent.calls == 0
    assert all(media.ended for _, media in harness.calls)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("vmac=:0 1audioRTP/AVSrtpmcy\r\n-.|"), max_size=300))
def test_no_description_raises_an_exception(text: str) -> None:
    try:
        select(offers.parse("v=0\r\n" + text))
    except ProtocolError:
        return
