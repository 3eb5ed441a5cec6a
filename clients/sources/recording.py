"""Recordings as chunks of bytes for a stream.

Any format that ffmpeg's libraries know is read, from a file, a FIFO or standard input. The
encoding is chosen so that nothing is lost: what a decoder yields as 16-bit integers stays
LINEAR16, everything finer becomes FLOAT32. Rates above 48 kHz are divided.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dfd import recordings
from dfd.clients.audio import AudioFormat, Encoding
from dfd.errors import UserError
from dfd.recordings import Finding, Manifest


class Recording:
    """One audio track of an input, opened and checked.

    Attributes:
        path: the path as given.
        name: the path in printable characters, with the track if there are several.
        audio_format: encoding (LINEAR16 or FLOAT32), rate and channels of `chunks`.
        seconds: its length according to the header, or an estimate; None if unknown.
        again: whether it can be read more than once, which a pipe cannot.
    """

    def __init__(self, found: recordings.Recording) -> None:
        encoding = Encoding.LINEAR16 if found.integer else Encoding.FLOAT32
        try:
            self.audio_format = AudioFormat(encoding, found.sample_rate_hz, found.channel_count)
        except UserError as error:
            raise UserError(f"{found.name}: {error}") from None
        self.path: Path = found.path
        self.name = found.name
        if found.track_count > 1:
            self.name += f", track {found.track + 1} of {found.track_count}"
        self.seconds = found.seconds
        self.again = found.again
        self._found = found

    def manifest(self) -> Manifest | None:
        """Reads the file's C2PA manifest; None if it has none, or none that can be read here."""
        return recordings.read_manifest(self.path) if self.again else None

    def chunks(self, chunk_seconds: float) -> Chunks:
        """Yields the audio from the beginning, with never more than one chunk in memory.

        Args:
            chunk_seconds: length of every chunk but the last; a chunk has at least one frame.

        Raises:
            UserError: if it is a pipe and was read before.
        """
        return Chunks(self._found.read(self.audio_format.frames(chunk_seconds)))


class Chunks(Iterator[bytes]):
    """One pass through a recording.

    Raises, while it is read:
        UserError: if the file cannot be decoded at all, or holds NaN or infinity.
    """

    def __init__(self, reading: recordings.Reading) -> None:
        self._reading = reading

    @property
    def findings(self) -> list[Finding]:
        """What was cut short, damaged or not read; complete once everything is read."""
        return self._reading.findings

    @property
    def seconds(self) -> float:
        """Duration read so far."""
        return self._reading.seconds

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._reading).tobytes()

    def close(self) -> None:
        """Stops reading before the end."""
        self._reading.close()


def open_recordings(path: str | os.PathLike[str]) -> list[Recording]:
    """Opens every audio track of a file; "-" is standard input.

    Raises:
        UserError: if it is missing, empty, unreadable, below 8 kHz or has more than 8 channels.
    """
    return [Recording(found) for found in recordings.open_tracks(path)]


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Opens the first audio track of a file; its findings name the tracks that were not read.

    Raises:
        UserError: as `open_recordings`.
    """
    return Recording(recordings.open_recording(path))
