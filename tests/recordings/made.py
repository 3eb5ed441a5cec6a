"""Recordings of every unusual kind, made with libav and by hand."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile

RATE = 16_000


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> npt.NDArray[np.int16]:
    """Makes a sine at half scale, (frames,)."""
    time = np.arange(round(seconds * rate)) / rate
    return np.asarray(np.round(16384 * np.sin(2 * np.pi * hertz * time)), np.int16)


def noise(seconds: float) -> npt.NDArray[np.int16]:
    """Makes noise that no codec compresses well, (frames,)."""
    made = np.random.default_rng(3).normal(0, 3000, round(seconds * RATE))
    return made.astype(np.int16)


def encode(path: Path, codec: str, *tracks: npt.NDArray[np.int16], rate: int = RATE) -> Path:
    """Writes mono tracks in the container of the suffix."""
    if codec == "vorbis":
        soundfile.write(path, tracks[0], rate, format="OGG", subtype="VORBIS")
        return path
    with av.open(str(path), "w") as container:
        streams: list[Any] = [container.add_stream(codec, rate=rate) for _ in tracks]
        for stream in streams:
            stream.codec_context.layout = "mono"
        for stream, samples in zip(streams, tracks, strict=True):
            layout = stream.codec_context.format or av.AudioFormat("s16")
            resampler = av.AudioResampler(layout.name, "mono", rate)
            for at in range(0, len(samples), 8000):
                frame = av.AudioFrame.from_ndarray(samples[None, at : at + 8000], "s16", "mono")
                frame.sample_rate, frame.pts = rate, at
                frame.time_base = Fraction(1, rate)
                for made in resampler.resample(frame):
                    container.mux(stream.encode(made))
            container.mux(stream.encode(None))
    return path


def many_channels(path: Path, samples: npt.NDArray[np.int16]) -> Path:
    """WavPack, whose frames have a plane for each channel; samples are (channels, frames)."""
    layout = f"{len(samples)} channels"
    with av.open(str(path), "w", format="wv") as container:
        stream: Any = container.add_stream("wavpack", rate=RATE, layout=layout)
        stream.codec_context.format = av.AudioFormat("s16p")
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), "s16", layout)
        frame.sample_rate = RATE
        for made in av.AudioResampler("s16p", layout, RATE).resample(frame):
            container.mux(stream.encode(made))
        container.mux(stream.encode(None))
    return path


def two_tracks(path: Path) -> Path:
    """Writes a track of one second and one of two."""
    return encode(path, "pcm_s16le", tone(1.0), tone(2.0, hertz=880.0))


def wav(samples: npt.NDArray[np.int16], riff: int | None = None, data: int | None = None) -> bytes:
    """Makes a mono WAV file whose header has these sizes; None means the true ones."""
    content = samples.tobytes()
    riff = 36 + len(content) if riff is None else riff
    data = len(content) if data is None else data
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVE"
    head += b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return head + b"data" + struct.pack("<I", data) + content
