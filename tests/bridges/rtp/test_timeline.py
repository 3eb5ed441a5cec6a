import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfd.bridges.calls import CallAudio
from dfd.bridges.media.codecs import Codec
from dfd.bridges.rtp.jitter import Released
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.rtp.timeline import Timeline

PCMU = Codec("PCMU", 8000)
LOUD = 0x80  # mu-law code of the largest positive sample, 32124


def released(
    timestamp: int, frames: int = 160, *, arrival: float, lost: int = 0, restarted: bool = False
) -> Released:
    packet = RtpPacket(0, 0, timestamp & 0xFFFFFFFF, 1, False, bytes([LOUD]) * frames)
    return Released(packet, arrival, lost, restarted)


def length(audio: list[CallAudio]) -> int:
    return sum(len(one.content) // 2 + one.gap_frames for one in audio)


def test_packets_of_any_size_are_contiguous() -> None:
    line = Timeline(PCMU)
    audio = line.push(released(1000, 160, arrival=0.0))
    audio += line.push(released(1160, 128, arrival=0.02))
    audio += line.push(released(1288, 240, arrival=0.04))
    assert [one.gap_frames for one in audio] == [0, 0, 0]
    assert length(audio) == 528
    assert np.frombuffer(audio[0].content, "<i2").tolist() == [32124] * 160


def test_lost_packets_are_a_gap_of_their_length() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    (audio,) = line.push(released(480, arrival=0.06, lost=2))
    assert audio.gap_frames == 320
    assert len(audio.content) == 320
    assert line.counts.gap_frames == 320


def test_a_pause_without_loss_is_silence() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    (audio,) = line.push(released(160 + 8000, arrival=1.02))
    assert audio.gap_frames == 0
    samples = np.frombuffer(audio.content, "<i2")
    assert samples.tolist() == [0] * 8000 + [32124] * 160
    assert line.counts.silent_frames == 8000


def test_a_long_pause_is_a_gap() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    (audio,) = line.push(released(160 + 80000, arrival=10.02))
    assert audio.gap_frames == 80000


def test_telephone_events_take_time_and_do_not_count_as_loss() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    line.skip(released(160, arrival=0.02))
    (audio,) = line.push(released(160 + 800, arrival=0.12))
    assert audio.gap_frames == 0
    assert len(audio.content) == 2 * 960


def test_loss_among_telephone_events_is_a_gap() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    line.skip(released(160, arrival=0.02, lost=1))
    (audio,) = line.push(released(160 + 800, arrival=0.12))
    assert audio.gap_frames == 800


def test_timestamps_wrap() -> None:
    line = Timeline(PCMU)
    line.push(released(0xFFFFFFFF - 99, arrival=0.0))
    (audio,) = line.push(released(60, arrival=0.02))
    assert audio.gap_frames == 0
    assert len(audio.content) == 320


def test_overlap_is_cut_off() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    (audio,) = line.push(released(80, arrival=0.02))
    assert len(audio.content) == 160
    assert line.push(released(40, 100, arrival=0.02)) == []
    assert line.counts.overlapping_packets == 1


def test_a_wrong_timestamp_does_not_make_a_gap_of_days() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    (audio,) = line.push(released(1 << 30, arrival=0.02, lost=1))
    assert audio.gap_frames == 0
    (audio,) = line.push(released((1 << 30) + 160, arrival=0.04))
    assert (audio.gap_frames, len(audio.content)) == (0, 320)
    assert line.counts.resets == 1


def test_a_restart_is_placed_by_the_clock() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    (audio,) = line.push(released(999_999, arrival=0.52, restarted=True))
    assert audio.gap_frames == 4160 - 160


def test_another_source_is_placed_by_the_clock() -> None:
    line = Timeline(PCMU)
    line.push(released(0, arrival=0.0))
    line.restart()
    (audio,) = line.push(released(77, arrival=0.02))
    assert audio.gap_frames == 0


def test_an_undecodable_payload_becomes_a_gap() -> None:
    line = Timeline(Codec("L16", 16000))
    whole = RtpPacket(0, 0, 0, 1, False, bytes(640))
    line.push(Released(whole, 0.0))
    assert line.push(Released(RtpPacket(0, 1, 320, 1, False, bytes(641)), 0.02)) == []
    (audio,) = line.push(Released(RtpPacket(0, 2, 640, 1, False, bytes(640)), 0.04))
    assert audio.gap_frames == 320
    assert line.counts.undecodable_packets == 1


def test_a_codec_of_the_same_format_takes_over() -> None:
    first = Timeline(PCMU)
    first.push(released(0, arrival=0.0))
    second = Timeline(Codec("PCMA", 8000))
    second.take_over(first)
    (audio,) = second.push(released(480, arrival=0.06, lost=2))
    assert audio.gap_frames == 320


@pytest.mark.parametrize("codec", [PCMU, Codec("G722", 8000)], ids=lambda codec: codec.name)
@given(seed=st.integers(0, 2**32), start=st.integers(0, 0xFFFFFFFF))
def test_the_time_line_has_the_length_of_the_call(codec: Codec, seed: int, start: int) -> None:
    draw = random.Random(seed)
    line = Timeline(codec)
    at, lost, total = start, 0, 0
    given_audio: list[CallAudio] = []
    for number in range(60):
        ticks = draw.choice([80, 160, 240])
        arrival = 0.03 * number + (at - start) / 8000
        if number and draw.random() < 0.2:
            lost += 1
        else:
            given_audio += line.push(released(at, ticks, arrival=arrival, lost=lost))
            total = at + ticks - start
            lost = 0
        at += ticks + (draw.choice([0, 400]) if draw.random() < 0.1 else 0)
    rate = line.audio_format.sample_rate_hz
    assert length(given_audio) == total * rate // 8000
