from dfd.bridges.calls import CallAudio, CallEnded, CallEvent, CallNote, CallStarted
from dfd.bridges.media.codecs import STATIC_CODECS
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.rtp.source import RtpCall


def call() -> RtpCall:
    return RtpCall("c", STATIC_CODECS, {"port": "5004"}, hold_seconds=0.0)


def packet(number: int, kind: int = 0, ssrc: int = 7, at: int | None = None) -> RtpPacket:
    return RtpPacket(kind, number, number * 160 if at is None else at, ssrc, False, b"\xff" * 160)


def audio(events: list[CallEvent]) -> list[CallAudio]:
    return [event for event in events if isinstance(event, CallAudio)]


def test_a_call_starts_with_its_first_audio() -> None:
    rtp = call()
    assert rtp.push(packet(1, 101), 0.0) == [CallNote("dtmf")]
    started, first = rtp.push(packet(2), 0.02)
    assert isinstance(started, CallStarted)
    assert dict(started.labels) == {"port": "5004", "codec": "PCMU", "ssrc": "00000007"}
    assert first == CallAudio(bytes(320))


def test_each_digit_is_noted_once() -> None:
    rtp = call()
    events = [event for number in range(5) for event in rtp.push(packet(number, 101, at=0), 0.0)]
    events += [event for number in range(5, 8) for event in rtp.push(packet(number, 101, at=9), 0)]
    assert events == [CallNote("dtmf"), CallNote("dtmf")]


def test_unknown_payload_types_are_counted() -> None:
    rtp = call()
    assert rtp.push(packet(1, 96), 0.0) == []
    assert rtp.unknown_payloads == 1


def test_another_source_is_accepted_from_its_second_packet() -> None:
    rtp = call()
    rtp.push(packet(1), 0.0)
    assert rtp.push(packet(900, ssrc=8), 0.02) == []
    assert audio(rtp.push(packet(2), 0.02)) == [CallAudio(bytes(320))]
    assert rtp.push(packet(901, ssrc=8), 0.04) == []
    events = rtp.push(packet(902, ssrc=8), 0.52)
    assert events[0] == CallNote("ssrc_change", "00000007 to 00000008")
    assert not any(isinstance(event, CallStarted) for event in events)
    assert audio(events) == [CallAudio(bytes(320), 4000 - 160)]
    assert rtp.foreign_sources == 2
    assert rtp.push(packet(3), 0.54) == []


def test_g722_starts_another_leg_but_pcma_does_not() -> None:
    rtp = call()
    rtp.push(packet(1), 0.0)
    assert audio(rtp.push(packet(2, 8), 0.02))[0].gap_frames == 0
    started, _ = rtp.push(packet(3, 9), 0.04)
    assert isinstance(started, CallStarted)
    assert started.audio_format.sample_rate_hz == 16000


def test_comfort_noise_is_skipped() -> None:
    rtp = call()
    rtp.push(packet(1), 0.0)
    assert rtp.push(packet(2, 13), 0.02) == []
    (pause,) = audio(rtp.push(packet(3, at=10 * 160), 0.2))
    assert (pause.gap_frames, len(pause.content)) == (0, 2 * 9 * 160)


def test_held_packets_are_released_at_the_end() -> None:
    rtp = RtpCall("c", STATIC_CODECS, {}, hold_seconds=9.0)
    rtp.push(packet(1), 0.0)
    assert rtp.waiting
    started, first, ended = rtp.end("idle")
    assert isinstance(started, CallStarted)
    assert isinstance(first, CallAudio)
    assert ended == CallEnded("idle")
