"""A real daemon, a console for it, and a browser whose microphone plays a recording."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dfd.clients.runs.local_daemon import local_daemon
from tests.clients.command import DFD, clean

TEXT = (
    "Hello, this is your bank. We have seen an unusual payment on your account, and need you to"
    " read out the code that we have just sent to your telephone. Please be quick."
)


@dataclass(frozen=True)
class Console:
    url: str
    server: str


@contextlib.contextmanager
def started_console(*words: str, folder: Path | None = None, **environment: str) -> Iterator[str]:
    """Runs `dfd console` on a free port; yields its address."""
    process = subprocess.Popen(
        [*DFD, "console", "--port", "0", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=clean() | environment,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"dfd console ready on (\S+)/\n", line)
        assert found, line
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        with process.stdout:
            assert process.wait(30) == 0


@pytest.fixture(scope="session")
def needs() -> None:
    pytest.importorskip("nicegui", reason="no console: pip install 'dfd[console]'")
    pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")


@pytest.fixture(scope="session")
def console(needs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    pytest.importorskip("sqlalchemy", reason="no journal: pip install 'dfd[journal]'")
    journal = tmp_path_factory.mktemp("journal") / "calls.db"
    with (
        local_daemon(["--deadline-seconds=60", f"--journal={journal}"]) as server,
        started_console("--server", server, "--journal", str(journal)) as url,
    ):
        yield Console(url, server)


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("espeak-ng") is None:
        pytest.skip("nothing to speak with: apt-get install espeak-ng")
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", path, TEXT], check=True)
    return path


@pytest.fixture(scope="session")
def browser(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for word in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000"),
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={speech}",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    os.environ.setdefault("SE_OFFLINE", "true")
    service = webdriver.chrome.service.Service(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    saved = {"behavior": "allow", "downloadPath": str(tmp_path_factory.mktemp("saved"))}
    driver.execute_cdp_cmd("Page.setDownloadBehavior", saved)
    driver.saved = Path(saved["downloadPath"])
    yield driver
    driver.quit()
