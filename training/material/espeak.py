"""Synthetic speech with eSpeak NG (Duddington and others), from the library on PyPI.

A formant synthesiser is easy to tell from a person, yet a detector that has never heard one cannot
do it: a little of it belongs in the training set.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback before Synth returns
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)

VOICES = ("en-us", "en-gb-x-rp", "en-gb-scotland", "de", "fr", "es", "it", "pl", "pt", "sv")
VARIANTS = ("", "+m1", "+m3", "+m7", "+f2", "+f4", "+f5", "+klatt2")

_OPENINGS = (
    "Good morning", "Hello", "Listen", "Excuse me", "By the way", "As you know", "In the evening",
    "Yesterday", "For the record", "To be honest", "After the meeting", "On the telephone",
)  # fmt: skip
_SUBJECTS = (
    "my brother", "the manager", "your bank", "a neighbour of ours", "the young doctor", "our team",
    "the woman next door", "nobody", "the driver of the bus", "the whole family", "an old friend",
)  # fmt: skip
_ACTIONS = (
    "has asked for the number of the account", "would like to speak with you about the house",
    "could not find the way to the station", "is waiting for a short answer",
    "sent a letter about the broken window", "will call again before seven o'clock",
    "wanted to know whether the train is late", "said that the weather is going to change",
    "has lost the keys of the car somewhere", "is going to move to another city in May",
)  # fmt: skip
_ENDINGS = (
    "and nobody was surprised", "so please be quick", "which is rather unusual", "as always",
    "but that was a long time ago", "if you do not mind", "and I believe it", "right now",
)  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """How a text is spoken: eSpeak's voice name, pitch from 0 to 100, words per minute."""

    name: str = "en-us"
    pitch: int = 50
    pitch_range: int = 50
    words_per_minute: int = 170


def speak(text: str, voice: Voice | None = None) -> tuple[npt.NDArray[np.int16], int]:
    """Speaks a text; eSpeak's noise differs from one call to the next.

    Returns:
        int16 (N,) mono samples, and their rate in Hz.

    Raises:
        ModuleNotFoundError: if espeakng-loader is not installed.
        ValueError: if there is no such voice.
    """
    import espeakng_loader

    voice = voice or Voice()
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    samples = bytearray()

    def collect(wav: Any, count: int, _events: object) -> int:
        if count > 0:
            samples.extend(ctypes.string_at(wav, 2 * count))
        return 0

    callback = _CALLBACK(collect)  # must outlive the calls below
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.name.encode()) != 0:
        raise ValueError(f"eSpeak NG has no voice {voice.name!r}")
    for parameter, value in (
        (_PITCH, voice.pitch),
        (_RANGE, voice.pitch_range),
        (_RATE, voice.words_per_minute),
    ):
        library.espeak_SetParameter(parameter, value, 0)
    content = text.encode()
    library.espeak_Synth(content, len(content) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Terminate()
    return np.frombuffer(bytes(samples), np.int16), int(rate)


def draw_voice(generator: np.random.Generator) -> Voice:
    """Draws a voice, variant, pitch and speed."""
    name = str(generator.choice(VOICES)) + str(generator.choice(VARIANTS))
    return Voice(
        name,
        pitch=int(generator.integers(15, 86)),
        pitch_range=int(generator.integers(20, 81)),
        words_per_minute=int(generator.integers(130, 211)),
    )


def draw_sentence(generator: np.random.Generator) -> str:
    """Draws a sentence of about four seconds."""
    parts = (generator.choice(part) for part in (_OPENINGS, _SUBJECTS, _ACTIONS, _ENDINGS))
    opening, subject, action, ending = (str(part) for part in parts)
    return f"{opening}, {subject} {action}, {ending}."
