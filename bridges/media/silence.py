"""What silence is in each encoding."""

from dfd.clients.audio import AudioFormat, Encoding

_SILENT_BYTE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}


def silent_byte(encoding: Encoding) -> bytes:
    """The byte that repeated is silence."""
    return _SILENT_BYTE.get(encoding, b"\0")


def silence(audio_format: AudioFormat, frames: int) -> bytes:
    """So many frames of silence."""
    return silent_byte(audio_format.encoding) * (frames * audio_format.bytes_per_frame)
