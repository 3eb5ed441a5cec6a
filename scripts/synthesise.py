"""Makes synthetic speech with eSpeak NG, for the demonstration and the tests."""

import argparse
from pathlib import Path

import soundfile

from dfd.training.material.espeak import Voice, speak


def main() -> None:
    """Writes one WAV file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("text")
    parser.add_argument("--voice", default="en-us")
    parser.add_argument("--pitch", type=int, default=50)
    options = parser.parse_args()
    try:
        samples, rate = speak(options.text, Voice(options.voice, options.pitch))
    except ValueError as error:
        parser.error(str(error))
    soundfile.write(options.output, samples, rate, subtype="PCM_16")


if __name__ == "__main__":
    main()
