"""Makes synthetic speech with eSpeak NG, from the library that espeakng-loader carries."""

import argparse
import ctypes
import wave
from pathlib import Path

import espeakng_loader

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback before Synth returns
_UTF8 = 1
_PITCH = 3  # espeak_PARAMETER
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def synthesise(text: str, voice: str = "en-us", pitch: int = 50) -> tuple[bytes, int]:
    """Speaks a text.

    Args:
        text: what to say.
        voice: an eSpeak voice, "en-us", "de".
        pitch: 0 to 100.

    Returns:
        Signed 16-bit little-endian mono samples, and their rate in Hz.

    Raises:
        ValueError: where there is no such voice.
    """
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
    samples = bytearray()

    def collect(wav: "ctypes._Pointer[ctypes.c_short]", count: int, _events: object) -> int:
        if count > 0:
            samples.extend(ctypes.string_at(wav, 2 * count))
        return 0

    callback = _CALLBACK(collect)  # must outlive the calls below
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"eSpeak NG has no voice {voice!r}")
    library.espeak_SetParameter(_PITCH, pitch, 0)
    content = text.encode()
    library.espeak_Synth(content, len(content) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Terminate()
    return bytes(samples), int(rate)


def main() -> None:
    """Writes one WAV file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("text")
    parser.add_argument("--voice", default="en-us")
    parser.add_argument("--pitch", type=int, default=50)
    options = parser.parse_args()
    try:
        samples, rate = synthesise(options.text, options.voice, options.pitch)
    except ValueError as error:
        parser.error(str(error))
    with wave.open(str(options.output), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)


if __name__ == "__main__":
    main()
