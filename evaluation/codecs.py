"""Speech through the codecs of telephony and the web, by ffmpeg."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import numpy as np

from dfd.evaluation.audio import SAMPLE_RATE_HZ, FloatArray
from dfd.evaluation.corpus import CorpusError


@dataclass(frozen=True, slots=True)
class Codec:
    """How ffmpeg encodes: the encoder, its options, the container, the rate it runs at."""

    name: str
    encoder: str
    container: str
    options: tuple[str, ...] = ()
    rate_hz: int = SAMPLE_RATE_HZ


CODECS = (
    Codec("opus-8k", "libopus", "ogg", ("-b:a", "8k", "-application", "voip")),
    Codec("opus-12k", "libopus", "ogg", ("-b:a", "12k", "-application", "voip")),
    Codec("opus-16k", "libopus", "ogg", ("-b:a", "16k", "-application", "voip")),
    Codec("opus-24k", "libopus", "ogg", ("-b:a", "24k", "-application", "voip")),
    Codec("gsm", "libgsm", "gsm", rate_hz=8000),
    Codec("g722", "g722", "g722"),
    Codec("mp3-32k", "libmp3lame", "mp3", ("-b:a", "32k")),
    Codec("mp3-64k", "libmp3lame", "mp3", ("-b:a", "64k")),
    Codec("aac-32k", "aac", "adts", ("-b:a", "32k")),
    Codec("vorbis", "libvorbis", "ogg", ("-q:a", "2")),
    Codec("speex", "libspeex", "ogg", ("-b:a", "15k")),
)


def through_codec(samples: FloatArray, codec: Codec, *, ffmpeg: str = "ffmpeg") -> FloatArray:
    """Encode and decode 16 kHz mono samples (N,); returns float32 (N,), padded or cut to N.

    Raises ``CorpusError`` where ffmpeg is not there or does not have the codec.
    """
    quiet = [ffmpeg, "-hide_banner", "-loglevel", "error"]
    raw = ["-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ)]
    rate = ["-ar", str(codec.rate_hz)]
    encode = [*quiet, *raw, "-i", "pipe:", *rate, "-c:a", codec.encoder, *codec.options]
    encode += ["-f", codec.container, "pipe:"]
    bare = ["-ar", str(codec.rate_hz)] if codec.encoder.startswith("pcm_") else []
    source = ["-f", codec.container.replace("adts", "aac"), *bare, "-i", "pipe:"]
    decode = [*quiet, *source, *raw, "pipe:"]
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    try:
        encoded = subprocess.run(encode, input=pcm, capture_output=True, check=True).stdout
        decoded = subprocess.run(decode, input=encoded, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise CorpusError("ffmpeg is not installed; codecs need it") from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise CorpusError(f"ffmpeg cannot do {codec.name}: {''.join(last)}") from error
    data = np.frombuffer(decoded, dtype="<i2").astype(np.float32) / 32768.0
    fitted = np.zeros(samples.size, dtype=np.float32)
    count = min(samples.size, data.size)
    fitted[:count] = data[:count]
    return fitted
