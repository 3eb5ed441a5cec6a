"""Silence in each encoding."""

from dfd.clients.audio import AudioFormat, Encoding

_SILENT_BYTE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}


def silent_byte(encoding: Encoding) -> bytes:
    """Returns the byte that represents silence."""
    return _SILENT_BYTE.get(encoding, b"\0")


def silence(audio_format: AudioFormat, frames: int) -> bytes:
    """Returns a number of frames of silence."""
    return silent_byte(audio_format.encoding) * (frames * audio_format.bytes_per_frame)
