"""Voices that this machine can synthesise, from easy to hard."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dfd.errors import UserError

_TEXT = (
    "Hello, this is your bank. We have seen an unusual payment on your account, and need you to"
    " read out the code that we have just sent to your telephone."
)


@dataclass(frozen=True, slots=True)
class Example:
    """A synthetic recording that can be made here.

    Attributes:
        title: what it is, in words.
        program: what makes it, and the Debian package that it comes in.
        make: writes a WAV file.
    """

    key: str
    title: str
    program: str
    package: str
    make: Callable[[Path], None]

    @property
    def available(self) -> bool:
        """Whether this machine can make it."""
        return shutil.which(self.program) is not None


def _run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"the example cannot be made: {error}") from None


def _espeak(path: Path) -> None:
    _run("espeak-ng", "-v", "en-us", "-w", path, _TEXT)


def _telephone(path: Path) -> None:
    """The same voice as a telephone brings it: 8 kHz, mu-law."""
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


EXAMPLES = (
    Example(
        "easy", "Easy: eSpeak NG, a voice that training knew", "espeak-ng", "espeak-ng", _espeak
    ),
    Example(
        "telephone", "Harder: the same voice over a telephone", "espeak-ng", "espeak-ng", _telephone
    ),
    Example("other", "Hard: Flite, another synthesiser", "flite", "flite", _flite),
)
