"""Makes synthetic speech for the demonstration and the tests.

It uses eSpeak NG, on which the bundled detector was trained, or hibari, a small neural synthesiser
of 2026 on which it was not.
"""

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
    parser.add_argument("--neural", action="store_true", help="use hibari, in its own voice")
    options = parser.parse_args()
    if options.neural:
        from hibari import SAMPLE_RATE, Hibari

        samples, rate = Hibari()(options.text, seed=0), SAMPLE_RATE
    else:
        try:
            samples, rate = speak(options.text, Voice(options.voice, options.pitch))
        except ValueError as error:
            parser.error(str(error))
    soundfile.write(options.output, samples, rate, subtype="PCM_16")


if __name__ == "__main__":
    main()
