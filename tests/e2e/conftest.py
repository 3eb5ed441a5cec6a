"""The real daemon with the bundled model, started by its command, and speech for it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DFD = str(Path(sys.executable).with_name("dfd"))
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
CORPUS = Path(os.environ.get("DFD_CORPUS", ROOT.parent / "shared" / "corpus"))

SENTENCES = [
    "Hello, this is your bank. We have seen an unusual payment on your account, and "
    "need you to read out the code that we have just sent to your telephone.",
    "Mum, it is me. I have had an accident, and my telephone is broken.",
]


@dataclass(frozen=True)
class Daemon:
    """A running `dfd serve`."""

    process: subprocess.Popen[str]
    address: str
    metrics_url: str


def run_dfd(*arguments: str | Path, timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Runs the command `dfd` as a user does; does not check its status."""
    command = [DFD, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    command = [DFD, "serve", "--port", "0", "--metrics-port", "0", "--log-level", "warning"]
    # nothing is shed, however busy the machine is
    command += ["--deadline-seconds", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = process.stdout.readline()
    found = re.fullmatch(r"dfd ready on (\S+) \(metrics (\S+)\)\n", ready)
    assert found, f"no ready line but {ready!r}; exit status {process.poll()}"
    yield Daemon(process, found[1], found[2])
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    assert process.wait(timeout=60) == 0


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Makes recordings of a synthetic voice."""
    folder = tmp_path_factory.mktemp("speech")
    paths = [folder / f"synthetic-{number}.wav" for number in range(len(SENTENCES))]
    for path, sentence in zip(paths, SENTENCES, strict=True):
        script = ROOT / "scripts" / "synthesise.py"
        subprocess.run([sys.executable, script, path, sentence], check=True, timeout=60)
    return paths


@pytest.fixture(scope="session")
def human() -> list[Path]:
    """Returns recordings of a person."""
    if not LIBRIVOX.is_dir():
        pytest.skip("no human recordings: apt-get install pocketsphinx-testdata")
    return sorted(LIBRIVOX.glob("*.wav"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    if not (CORPUS / "manifest.tsv").is_file():
        pytest.skip("needs the labelled corpus: set DFD_CORPUS to its folder")
    return CORPUS
