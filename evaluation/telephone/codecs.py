"""Encodes speech with the codecs of telephony and the web and decodes it again, in memory.

PyAV's FFmpeg has most codecs, and libsndfile has GSM 06.10; for the rest the program `ffmpeg` is
run.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dfd.errors import UserError
from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray, resampled

GSM = "libgsm"


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec: FFmpeg's encoder and its options, the container, and the rate it works at."""

    name: str
    encoder: str
    container: str
    options: tuple[tuple[str, str], ...] = ()
    rate_hz: int = SAMPLE_RATE_HZ


def _bit_rate(kilobits: float) -> tuple[tuple[str, str], ...]:
    return (("b", f"{round(kilobits * 1000)}"),)


def opus(kilobits: int) -> Codec:
    """Returns Opus in its speech mode, at a bit rate in kbit/s."""
    options = (*_bit_rate(kilobits), ("application", "voip"))
    return Codec(f"opus-{kilobits}k", "libopus", "ogg", options)


TELEPHONY = (
    Codec("ulaw", "pcm_mulaw", "mulaw", rate_hz=8000),
    Codec("alaw", "pcm_alaw", "alaw", rate_hz=8000),
    Codec("gsm", GSM, "gsm", rate_hz=8000),
    Codec("g722", "g722", "g722"),
    opus(12),
    opus(16),
    opus(24),
    Codec("amr-12.2k", "libopencore_amrnb", "amr", _bit_rate(12.2), rate_hz=8000),
    Codec("amr-4.75k", "libopencore_amrnb", "amr", _bit_rate(4.75), rate_hz=8000),
    Codec("amr-wb", "libvo_amrwbenc", "amr", _bit_rate(23.85)),
)
WEB = (
    opus(8),
    Codec("mp3-32k", "libmp3lame", "mp3", _bit_rate(32)),
    Codec("mp3-64k", "libmp3lame", "mp3", _bit_rate(64)),
    Codec("aac-32k", "aac", "adts", _bit_rate(32)),
    Codec("vorbis", "libvorbis", "ogg", (("q", "2"),)),
    Codec("speex", "libspeex", "ogg", _bit_rate(15)),
)


def through_codec(samples: FloatArray, codec: Codec, *, ffmpeg: str = "ffmpeg") -> FloatArray:
    """Encodes and decodes 16 kHz mono samples (N,); returns float32 (N,), padded or cut to N.

    Raises:
        UserError: if nothing installed supports the codec.
    """
    narrow = resampled(np.clip(samples, -1, 1), codec.rate_hz, SAMPLE_RATE_HZ)
    pcm = np.round(np.clip(narrow, -1, 1) * 32767).astype("<i2")
    if codec.encoder == GSM:
        decoded = _by_libsndfile(pcm, codec)
    elif _pyav_has(codec.encoder):
        decoded = _by_pyav(pcm, codec)
    else:
        decoded = _by_program(pcm, codec, ffmpeg)
    fitted = np.zeros(samples.size, dtype=np.float32)
    wide = resampled(decoded.astype(np.float32) / 32768.0, SAMPLE_RATE_HZ, codec.rate_hz)
    count = min(samples.size, wide.size)
    fitted[:count] = wide[:count]
    return fitted


def _by_libsndfile(pcm: npt.NDArray[np.int16], codec: Codec) -> npt.NDArray[np.int16]:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, pcm, codec.rate_hz, format="WAV", subtype="GSM610")
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="int16")[0], dtype=np.int16)


def _pyav_has(encoder: str) -> bool:
    import av

    try:
        av.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def _by_pyav(pcm: npt.NDArray[np.int16], codec: Codec) -> npt.NDArray[np.int16]:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=codec.container) as output:
        encoder = output.add_stream(codec.encoder, rate=codec.rate_hz, options=dict(codec.options))
        assert isinstance(encoder, av.AudioStream)
        encoder.layout = "mono"
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = codec.rate_hz
        for packet in (*encoder.encode(frame), *encoder.encode(None)):
            output.mux(packet)
    file.seek(0)
    headerless = codec.encoder.startswith("pcm_")
    options = {"sample_rate": str(codec.rate_hz)} if headerless else {}
    demuxer = "aac" if codec.container == "adts" else codec.container
    to_rate = av.AudioResampler(format="s16", layout="mono", rate=codec.rate_hz)
    pieces = []
    with av.open(file, "r", format=demuxer, options=options) as source:
        for decoded in source.decode(audio=0):
            pieces += [made.to_ndarray().ravel() for made in to_rate.resample(decoded)]
    pieces += [made.to_ndarray().ravel() for made in to_rate.resample(None)]
    return np.concatenate([np.zeros(0, np.int16), *pieces]).astype(np.int16)


def _by_program(pcm: npt.NDArray[np.int16], codec: Codec, ffmpeg: str) -> npt.NDArray[np.int16]:
    quiet = [ffmpeg, "-hide_banner", "-loglevel", "error"]
    raw = ["-f", "s16le", "-ac", "1", "-ar", str(codec.rate_hz)]
    options = [part for name, value in codec.options for part in (f"-{name}:a", value)]
    encode = [*quiet, *raw, "-i", "pipe:", "-c:a", codec.encoder, *options]
    encode += ["-f", codec.container, "pipe:"]
    demuxer = "aac" if codec.container == "adts" else codec.container
    decode = [*quiet, "-f", demuxer, "-i", "pipe:", *raw, "pipe:"]
    try:
        encoded = subprocess.run(
            encode, input=pcm.tobytes(), capture_output=True, check=True
        ).stdout
        decoded = subprocess.run(decode, input=encoded, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise UserError(
            f"{codec.name} is unavailable, because this PyAV has no encoder {codec.encoder} and"
            " there is no ffmpeg: install ffmpeg"
        ) from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UserError(f"ffmpeg cannot encode {codec.name}: {''.join(last)}") from error
    return np.frombuffer(decoded, dtype="<i2").astype(np.int16)
