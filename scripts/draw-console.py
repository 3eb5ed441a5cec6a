"""Draws docs/console-*.png and docs/report.png: a browser's pictures of a running daemon.

Needs dfd[serve,console,report,journal,demo], selenium, chromium, chromedriver and espeak-ng.
"""

import argparse
import asyncio
import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dfd.clients import AsyncDetectionClient, DetectionClient, StreamOptions, open_recording
from dfd.clients.runs.local_daemon import local_daemon

TEXT = (
    "Hello, this is your bank. We have seen an unusual payment on your account, and need you to"
    " read out the code that we have just sent to your telephone. Please be quick, for the"
    " payment goes out this evening."
)
QUEUES = ("sales", "support", "claims", "sales", "support")


@contextlib.contextmanager
def console(server: str, journal: Path) -> Iterator[str]:
    """Runs `dfd console`; yields its address."""
    command = [sys.executable, "-m", "dfd", "console", "--port", "0", "--server", server]
    command += ["--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1].rstrip("/")
        finally:
            process.terminate()


@contextlib.contextmanager
def calls(server: str, recordings: list[Path]) -> Iterator[None]:
    """Runs calls in real time, each of which repeats one recording."""
    over = threading.Event()

    async def call(client: AsyncDetectionClient, number: int, path: Path) -> None:
        recording = open_recording(path)
        options = StreamOptions(
            stream_id=f"call-{1041 + number}", labels={"queue": QUEUES[number % len(QUEUES)]}
        )
        async with client.stream(recording.audio_format, options=options) as stream:
            while not over.is_set():
                for chunk in recording.chunks(0.1):
                    await stream.send(chunk)
                    await asyncio.sleep(0.1)
                    if over.is_set():
                        break
            await stream.finish()

    async def all_calls() -> None:
        async with AsyncDetectionClient(server) as client:
            await asyncio.gather(*(call(client, n, path) for n, path in enumerate(recordings)))

    thread = threading.Thread(target=lambda: asyncio.run(all_calls()))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def browser(microphone: Path) -> Any:
    """Starts a browser whose microphone plays a recording."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={microphone}",
    ):
        options.add_argument(word)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


class Camera:
    """Takes pictures of pages after they show the expected text."""

    def __init__(self, driver: Any, url: str, folder: Path, model: str) -> None:
        self._driver = driver
        self._url = url
        self._folder = folder
        self._model = model

    def look(self, width: int, height: int, dark: bool) -> None:
        """Sets the window and the theme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})

    def open(self, path: str, *wanted: str) -> None:
        """Opens a page and waits until it shows all of `wanted`."""
        self._driver.get(self._url + path)
        self.wait(*wanted)

    def wait(self, *wanted: str) -> None:
        """Waits until the page shows all of `wanted`."""
        WebDriverWait(self._driver, 90).until(
            lambda driver: all(word in driver.find_element(By.ID, "main").text for word in wanted)
        )

    def press(self, name: str) -> None:
        """Presses a button."""
        found = self._driver.find_elements(By.XPATH, f"//button[contains(., '{name}')]")
        next(button for button in found if button.is_displayed()).click()

    def follow(self, name: str, *wanted: str) -> None:
        """Follows a link of a table; the page looks it up, because it redraws it every second."""
        links = "[...document.querySelectorAll('td a')]"
        link = f"return {links}.find(one => one.innerText == arguments[0]).href"
        self.open(self._driver.execute_script(link, name).removeprefix(self._url), *wanted)

    def take(self, name: str) -> None:
        """Takes the picture."""
        threading.Event().wait(1.5)  # charts are drawn after the text
        self._save(f"console-{name}.png")

    def take_file(self, page: Path, name: str) -> None:
        """Takes a picture of a page on disk."""
        self._driver.get(page.as_uri())
        self._save(name)

    def _save(self, name: str) -> None:
        """Writes the picture with the name of the model, which a test compares with the card."""
        said = PngInfo()
        said.add_text("Description", self._model)
        with Image.open(io.BytesIO(self._driver.get_screenshot_as_png())) as picture:
            picture.convert("RGB").save(self._folder / name, pnginfo=said, optimize=True)


def join(target: Path, parts: list[Path]) -> None:
    """Writes recordings of any rates into one file, one after the other."""
    rate, samples = 16000, []
    for part in parts:
        wave, its_rate = soundfile.read(part, dtype="float32")
        level = 0.1 / max(float(np.sqrt(np.mean(np.square(wave)))), 1e-6)
        samples.append(soxr.resample(wave * level, its_rate, rate))
    soundfile.write(target, np.clip(np.concatenate(samples), -0.99, 0.99), rate)


def finished_call(server: str, recording: Path) -> None:
    """Runs a call that ends before the pictures are taken: first a person, then a machine."""

    async def call() -> None:
        options = StreamOptions(stream_id="call-1038", labels={"queue": "claims"})
        opened = open_recording(recording)
        async with (
            AsyncDetectionClient(server) as client,
            client.stream(opened.audio_format, options=options, live=False) as stream,
        ):
            for chunk in opened.chunks(0.5):
                await stream.send(chunk)
            await stream.finish()
            async for _ in stream:
                pass

    asyncio.run(call())


def model_of(server: str) -> str:
    """Returns the name and version of the daemon's model."""
    with DetectionClient(server) as client:
        (model,) = client.server_info().models
    return f"{model.name} {model.version}"


def report(server: str, journal: Path, page: Path) -> None:
    """Writes the report of the finished call."""
    command = [sys.executable, "-m", "dfd", "report", "call-1038", "--server", server]
    subprocess.run([*command, "--journal", journal, "--output", page], check=True)


def main() -> None:
    """Writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", nargs="*", type=Path, help="recordings of people, for calls")
    parser.add_argument("--output", type=Path, default=Path("docs"))
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        journal, machine, page = folder / "calls.db", folder / "machine.wav", folder / "call.html"
        clips = f"--evidence-clips={folder / 'clips'}"
        server = stack.enter_context(
            local_daemon([f"--journal={journal}", clips, "--deadline-seconds=30"])
        )
        subprocess.run(["espeak-ng", "-v", "en-us", "-w", machine, TEXT], check=True)
        taken_over = folder / "taken-over.wav"
        join(taken_over, [*options.people[:1], machine])
        finished_call(server, taken_over)
        recordings = [machine, *options.people]
        with console(server, journal) as url, calls(server, recordings):
            driver = browser(taken_over)
            stack.callback(driver.quit)
            camera = Camera(driver, url, options.output, model_of(server))
            camera.look(1100, 880, dark=False)
            camera.open("/", "Nothing heard yet")
            camera.press("Start listening")
            camera.wait("Alert at")
            camera.take("live")
            camera.press("Stop")
            camera.look(1100, 1000, dark=False)
            camera.open("/file", "Any audio file")
            camera.press("over a telephone")
            camera.wait("Judged Less easy")
            camera.take("file")
            camera.look(1100, 620, dark=False)
            camera.open("/calls", "ALERT", f"{len(recordings)} running")
            camera.take("calls")
            camera.look(1100, 700, dark=True)
            camera.follow("call-1041", "Time line")
            camera.take("call")
            camera.look(1100, 820, dark=True)
            camera.open("/calls/history", "call-1038")
            camera.follow("call-1038", "Time line")
            camera.take("past")
            camera.look(1100, 1000, dark=False)
            camera.open("/model", "Recipe")
            camera.take("model")
            for name, dark in (("phone", True), ("phone-light", False)):
                camera.look(390, 844, dark=dark)
                camera.open("/file", "Any audio file")
                camera.press("neural" if dark else "Flite")
                camera.wait("Judged Hardest" if dark else "Judged Hard")
                camera.take(name)
            report(server, journal, page)
            camera.look(900, 1250, dark=False)
            camera.take_file(page, "report.png")


if __name__ == "__main__":
    main()
