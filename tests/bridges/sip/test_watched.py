"""The lines of one call on one time line: stalls have no effect, differing clocks are corrected."""

import numpy as np

from dfd.bridges.calls import CallAudio, CallEnded, CallEvent, CallStarted
from dfd.bridges.media.codecs import Codec
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.sip.drift import Drift
from dfd.bridges.sip.watched import WatchedCall
from tests.bridges.kit import mulaw, voice
from tests.bridges.sip.kit import payloads

PCMU = {0: Codec("PCMU", 8000)}


def watched() -> WatchedCall:
    return WatchedCall("c", 8000, [PCMU, PCMU], {})


def packet(number: int, payload: bytes, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(0, number, number * 160, ssrc, False, payload)


def frames(events: list[CallEvent]) -> tuple[int, int, int]:
    """Returns the numbers of frames in all, in gaps, and of silence in place of a line's audio."""
    audio = [one for one in events if isinstance(one, CallAudio)]
    return (
        sum(len(one.content) // 4 + one.gap_frames for one in audio),
        sum(one.gap_frames for one in audio),
        sum(one.filled_frames for one in audio),
    )


def test_a_stalled_machine_loses_nothing() -> None:
    """Three stalls of 1.5 s, after each of which everything comes at once."""
    call = watched()
    content = payloads(mulaw(voice(12.0)))
    events: list[CallEvent] = []
    for number, payload in enumerate(content):
        when = number * 0.02
        for stall in (3.0, 6.0, 9.0):
            if stall <= when < stall + 1.5:
                when = stall + 1.5
        for line in (0, 1):
            events += call.push(line, packet(number, payload, line + 1), when)
    events += call.end("over")
    assert isinstance(events[0], CallStarted)
    assert isinstance(events[-1], CallEnded)
    assert frames(events) == (12 * 8000, 0, 0)
    both = np.concatenate(
        [np.frombuffer(one.content, "<i2") for one in events if isinstance(one, CallAudio)]
    ).reshape(-1, 2)
    assert np.array_equal(both[:, 0], both[:, 1])


def test_a_line_that_starts_later_has_its_position() -> None:
    call = watched()
    content = payloads(mulaw(voice(2.0)))
    events: list[CallEvent] = []
    for number, payload in enumerate(content):
        events += call.push(0, packet(number, payload), number * 0.02)
        if number >= 50:
            events += call.push(1, packet(number, payload, 2), number * 0.02)
    events += call.end("over")
    total, gaps, filled = frames(events)
    assert gaps == 0
    assert abs(total - 16000) <= 160
    assert abs(filled - 8000) <= 2 * 160  # its position is known to a packet


def test_a_pause_without_timestamps_takes_time() -> None:
    """On hold a sender may continue its timestamps where it stopped; the other does not stop."""
    call = watched()
    content = payloads(mulaw(voice(2.0)))
    events: list[CallEvent] = []
    for number, payload in enumerate(content * 5):
        now = number * 0.02
        events += call.push(0, packet(number, payload), now)
        if number < 100:
            events += call.push(1, packet(number, payload, 2), now)
        elif number >= 400:
            events += call.push(1, packet(number - 300, payload, 2), now)
    events += call.end("over")
    total, gaps, filled = frames(events)
    assert (total, gaps) == (80000, 0)
    assert abs(filled - 48000) <= 1600 + 160


def test_only_lasting_drift_is_corrected() -> None:
    drift = Drift()
    moved = [drift.correction(0.7 if number % 50 else 0.1, number * 0.1) for number in range(200)]
    assert not any(moved)
    drift = Drift()
    moved = [drift.correction(0.7, number * 0.1) for number in range(60)]
    assert [one for one in moved if one] == [0.7]
    drift = Drift()
    moved = [drift.correction(-0.8, number * 0.1) for number in range(60)]
    assert [one for one in moved if one] == [-0.8]
