"""Voices that this machine can synthesise, from easy to hard to detect."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dfd.errors import UserError

_TEXT = (
    "Hello, this is your bank. We have seen an unusual payment on your account, and need you to"
    " read out the code that we have just sent to your telephone."
)


@dataclass(frozen=True, slots=True)
class Example:
    """A synthetic recording that can be made on this machine.

    Attributes:
        title: description in words.
        needs: the program or module that it needs.
        install: how to install that.
        make: writes a WAV file.
    """

    key: str
    title: str
    needs: str
    install: str
    make: Callable[[Path], None]

    @property
    def available(self) -> bool:
        """Whether it can be made on this machine."""
        return shutil.which(self.needs) is not None or find_spec(self.needs) is not None


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"the example cannot be made: {error}") from None


def _espeak(path: Path) -> None:
    _run("espeak-ng", "-v", "en-us", "-w", path, _TEXT)


def _telephone(path: Path) -> None:
    """Makes the same voice as over a telephone: 8 kHz, mu-law."""
    import numpy as np
    import soundfile

    clean = path.with_suffix(".clean.wav")
    _espeak(clean)
    samples, rate = soundfile.read(clean, dtype="float64")
    clean.unlink()
    step = rate / 8000
    kernel = np.sinc(np.arange(-64, 65) / step) * np.hamming(129)
    narrow = np.convolve(samples, kernel / kernel.sum(), "same")
    at = np.arange(0, len(narrow) - 1, step)
    soundfile.write(path, np.interp(at, np.arange(len(narrow)), narrow), 8000, subtype="ULAW")


def _flite(path: Path) -> None:
    _run("flite", "-voice", "slt", "-t", _TEXT, "-o", path)


def _hibari(path: Path) -> None:
    from hibari import Hibari

    Hibari().save(_TEXT, str(path), seed=0)


EXAMPLES = (
    Example(
        "easy",
        "Easy: eSpeak NG, a voice from the training data",
        "espeak-ng",
        "apt-get install espeak-ng",
        _espeak,
    ),
    Example(
        "telephone",
        "Less easy: the same voice over a telephone",
        "espeak-ng",
        "apt-get install espeak-ng",
        _telephone,
    ),
    Example(
        "flite",
        "Hard: Flite, of which there was little in the training data",
        "flite",
        "apt-get install flite",
        _flite,
    ),
    Example(
        "neural",
        "Hardest: hibari, a neural voice not in the training data",
        "hibari",
        "pip install 'dfd[demo]'",
        _hibari,
    ),
)
