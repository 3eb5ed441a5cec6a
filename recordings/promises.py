"""The length that an input states, and by how much less was read."""

from __future__ import annotations

from typing import Any

# Encoders' delays and padding, and containers that round to a frame of a codec.
_TOLERANCE_SECONDS = 0.25
# What writers put where they do not know the size yet, or never came back to fill it in.
_UNFILLED_FROM = 0x7FFF_0000
# Containers whose streams have their length in a header; others are estimated from a bit rate.
_EXACT = frozenset(("flac", "aiff", "au", "caf", "w64", "tta", "wv", "ape", "voc", "nistsphere"))
_MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")


def promised_seconds(container: Any, stream: Any, head: bytes) -> float | None:
    """Returns the length in the header, in seconds; None if it states none.

    Args:
        container: libav's container.
        stream: its audio stream.
        head: the first bytes of the input.
    """
    names = container.format.name.split(",")
    if "matroska" in names:
        return _matroska(container, stream)
    exact = "mov" in names or not _EXACT.isdisjoint(names)
    if "mp3" in names:
        exact = any(word in head for word in _MP3_LENGTHS)
    if not exact or stream.duration is None:
        return None
    return float(stream.duration * stream.time_base)


def estimated_seconds(container: Any, stream: Any) -> float | None:
    """Returns the length as far as libav knows it before decoding."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1e6


def _matroska(container: Any, stream: Any) -> float | None:
    duration = stream.metadata.get("DURATION", "").split(":")
    try:
        hours, minutes, seconds = (float(part) for part in duration)
    except ValueError:
        alone = len(container.streams) == 1 and container.duration is not None
        return container.duration / 1e6 if alone else None
    return hours * 3600 + minutes * 60 + seconds


def is_short(promised: float | None, heard: float) -> bool:
    """Returns whether less was read than the header stated."""
    return promised is not None and heard < promised - _TOLERANCE_SECONDS


def wav_shortfall(head: bytes, size: int) -> float | None:
    """Returns the share of its samples that a WAV file of `size` bytes has; None if it has all.

    libav takes the length from the file's size, so the header is read here.
    """
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    at = 12
    while at + 8 <= len(head):
        name, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data":
            there = size - at - 8
            unfilled = length == 0 or length >= _UNFILLED_FROM
            return None if unfilled or there >= length else max(0.0, there / length)
        at += 8 + length + length % 2
    return None
