"""Recordings on disk, read in blocks as audio for a stream.

libsndfile reads what it knows (WAV, FLAC, OGG, Opus, MP3, AIFF, AU, ...); anything else goes
through ffmpeg where it is installed. The encoding is chosen so that nothing is lost: what a
decoder gives as 16-bit integers stays LINEAR16, everything finer is FLOAT32.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import soundfile

from dfd.clients.audio import AudioFormat, Encoding
from dfd.errors import UserError

# libsndfile subtypes whose decoded samples are 16-bit integers at most
_INTEGER_WORDS = """
    PCM_S8 PCM_16 PCM_U8 ULAW ALAW IMA_ADPCM MS_ADPCM GSM610 G721_32 G723_24 G723_40 DWVW_12
    DWVW_16 VOX_ADPCM NMS_ADPCM_16 NMS_ADPCM_24 NMS_ADPCM_32 DPCM_8 DPCM_16 ALAC_16
"""
_INTEGER_SUBTYPES = frozenset(_INTEGER_WORDS.split())
# ffmpeg's names of sample layouts that hold 16 bits at most
_INTEGER_LAYOUTS = frozenset({"u8", "u8p", "s16", "s16p"})


class _Source(Protocol):
    """Something that can be read from its beginning, block by block."""

    def blocks(self, frames: int) -> Iterator[bytes]: ...


class Recording:
    """An audio file, opened and found good.

    Attributes:
        path: where it lies.
        audio_format: encoding (LINEAR16 or FLOAT32), rate and channels of `chunks`.
        frames: its length in frames, at least 1.
    """

    def __init__(self, path: Path, audio_format: AudioFormat, frames: int, source: _Source) -> None:
        self.path = path
        self.audio_format = audio_format
        self.frames = frames
        self._source = source

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.audio_format.seconds(self.frames)

    def chunks(self, chunk_seconds: float) -> Iterator[bytes]:
        """Gives the audio from the beginning, never more than one chunk in memory.

        Args:
            chunk_seconds: length of every chunk but the last; at least one frame is given.

        Raises:
            UserError: the file broke off, cannot be decoded further or holds NaN or infinity.
        """
        return self._source.blocks(max(1, self.audio_format.frames(chunk_seconds)))


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Opens a recording of any format that libsndfile or, where installed, ffmpeg reads.

    Raises:
        UserError: it is missing, empty, unreadable, outside 8-48 kHz or has more than 8 channels.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: name the recordings in it")
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty: name a recording with audio in it")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            integer = file.subtype in _INTEGER_SUBTYPES
    except (soundfile.LibsndfileError, TypeError):  # TypeError: headerless, by its name
        return _through_ffmpeg(path)
    audio_format = _format(path, integer, rate, channels)
    if frames < 1:
        raise UserError(f"{path} holds no audio: name a recording with audio in it")
    return Recording(path, audio_format, frames, _SoundFileSource(path, audio_format))


def _format(path: Path, integer: bool, rate: int, channels: int) -> AudioFormat:
    try:
        return AudioFormat(Encoding.LINEAR16 if integer else Encoding.FLOAT32, rate, channels)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Reads without seeking: soundfile seeks after each block, which breaks MP3's decoder state."""

    def seekable(self) -> bool:
        return False


class _SoundFileSource:
    """Reads through libsndfile."""

    def __init__(self, path: Path, audio_format: AudioFormat) -> None:
        self._path = path
        self._integer = audio_format.encoding is Encoding.LINEAR16

    def blocks(self, frames: int) -> Iterator[bytes]:
        dtype = "int16" if self._integer else "float32"
        try:
            with _Forward(self._path) as file:
                while len(block := file.read(frames, dtype=dtype, always_2d=True)):
                    if not self._integer and not np.isfinite(block).all():
                        raise UserError(
                            f"{self._path} holds NaN or infinite samples: export it again"
                        )
                    yield np.ascontiguousarray(block).tobytes()
        except soundfile.LibsndfileError as error:
            raise UserError(f"{self._path} cannot be decoded: {error.error_string}") from None


class _RawSource:
    """Reads headerless samples that ffmpeg left in an unnamed temporary file."""

    def __init__(self, file: IO[bytes], bytes_per_frame: int) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._bytes_per_frame = bytes_per_frame

    def blocks(self, frames: int) -> Iterator[bytes]:
        position = 0
        while block := os.pread(self._descriptor, frames * self._bytes_per_frame, position):
            position += len(block)
            yield block


def _through_ffmpeg(path: Path) -> Recording:
    """Decodes to a temporary file, so that length is exact and memory bounded."""
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        raise UserError(
            f"{path} is in a format that cannot be read here: convert it to WAV or install ffmpeg"
        )
    name = f"file:{path}"
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_streams", "-of", "json", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    found = json.loads(probe.stdout or "{}").get("streams") or []
    try:
        stream = found[0]
        rate, channels = int(stream["sample_rate"]), int(stream["channels"])
    except (IndexError, KeyError, ValueError):
        raise UserError(f"{path} is not an audio file: name a recording") from None
    audio_format = _format(path, stream.get("sample_fmt") in _INTEGER_LAYOUTS, rate, channels)
    raw = "s16le" if audio_format.encoding is Encoding.LINEAR16 else "f32le"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", name, "-map", "0:a:0"]
    command += ["-ac", str(channels), "-ar", str(rate), "-f", raw, "-"]
    with tempfile.TemporaryFile(prefix="dfd-") as file:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=False
        )
        frames = os.fstat(file.fileno()).st_size // audio_format.bytes_per_frame
        if done.returncode != 0 or frames < 1:
            said = done.stderr.decode(errors="replace").strip() or "it holds no audio"
            raise UserError(f"{path} cannot be decoded: {said.splitlines()[-1]}")
        source = _RawSource(file, audio_format.bytes_per_frame)
    return Recording(path, audio_format, frames, source)
