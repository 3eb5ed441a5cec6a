"""Rates that no recording of speech has are refused, wherever they are named."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from dfd.errors import UserError
from dfd.recordings import open_recording
from tests.recordings.made import RATE, encode, tone, wav


def named(rate: int) -> bytes:
    """A WAV file of a second whose header names another rate."""
    made = bytearray(wav(tone(1.0)))
    at = made.index(struct.pack("<I", RATE))
    made[at : at + 8] = struct.pack("<II", rate, 2 * rate % (1 << 32))
    return bytes(made)


@pytest.mark.parametrize("rate", [0, 1, 100, 7_999, 6_144_001, 1 << 31, (1 << 32) - 1])
def test_a_header_with_an_absurd_rate_is_one_sentence(tmp_path: Path, rate: int) -> None:
    (tmp_path / "a.wav").write_bytes(named(rate))
    with pytest.raises(UserError, match=r"a\.wav"):
        open_recording(tmp_path / "a.wav")


@pytest.mark.parametrize(("rate", "word"), [(1, "at 8000 Hz or more"), (6_144_001, "damaged")])
def test_the_sentence_says_what_to_do(tmp_path: Path, rate: int, word: str) -> None:
    (tmp_path / "a.wav").write_bytes(named(rate))
    with pytest.raises(UserError, match=rf"{rate} Hz.*{word}"):
        open_recording(tmp_path / "a.wav")


def test_a_telephone_rate_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(named(8_000))
    assert open_recording(tmp_path / "a.wav").sample_rate_hz == 8_000


def test_a_later_link_with_an_absurd_rate_is_left_out_with_a_word(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ogg", "flac", tone(1.0), rate=RATE)
    second = encode(tmp_path / "b.ogg", "flac", np.zeros(400_000, np.int16), rate=16)
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(first.read_bytes() + second.read_bytes())
    began = time.monotonic()
    reading = open_recording(chained).read(4096)
    frames = sum(len(block) for block in reading)
    # the second would be seven hours long
    assert frames == RATE
    assert time.monotonic() - began < 10.0
    assert reading.findings
