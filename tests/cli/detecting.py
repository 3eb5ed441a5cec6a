"""Synthetic signals in files, and `dfd detect` on them."""

import json
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import soundfile
from numpy.typing import NDArray

from dfd.cli.main import cli
from dfd.detector.signals import probe_signals

Floats = NDArray[np.float32]
RATE = 16_000


def speech(seconds: float, rate: int = RATE) -> Floats:
    windows, _ = probe_signals(round(seconds * rate), rate)
    spoken: Floats = windows[2]
    return spoken


def write(path: Path, samples: Floats, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["detect", *map(str, arguments)])


def objects(*arguments: object) -> list[dict[str, Any]]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]
