"""The console as users see it: in a browser, with a real daemon."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd.clients.blocking import DetectionClient
from dfd.clients.client import AsyncDetectionClient
from dfd.clients.options import StreamOptions
from dfd.clients.sources.recording import open_recording
from tests.console.conftest import Console

pytest.importorskip("selenium", reason="pip install selenium")
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait


def until(browser: Any, condition: Callable[[Any], Any], seconds: float = 60.0) -> Any:
    return WebDriverWait(browser, seconds, poll_frequency=0.1).until(condition)


def text_of(browser: Any) -> str:
    return str(browser.find_element(By.ID, "main").text)


def sees(*wanted: str) -> Callable[[Any], bool]:
    return lambda browser: all(word in text_of(browser) for word in wanted)


def press(browser: Any, name: str) -> None:
    found = browser.find_elements(By.XPATH, f"//button[contains(., '{name}')]")
    next(button for button in found if button.is_displayed()).click()


def show(browser: Any, url: str, *wanted: str) -> None:
    browser.get(url)
    until(browser, sees(*wanted))


def serious_faults(browser: Any) -> list[Any]:
    """Returns axe's findings on the current page."""
    axe_core = pytest.importorskip("axe_core_python.selenium", reason="pip install axe-core-python")
    return [
        (fault["id"], fault["help"], [node["html"][:200] for node in fault["nodes"]])
        for fault in axe_core.Axe().run(browser)["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def call(console: Console, speech: Path) -> Iterator[str]:
    """Runs a call until the test is over."""
    over, alerted = threading.Event(), threading.Event()

    async def talk() -> None:
        recording = open_recording(speech)
        options = StreamOptions(stream_id="call-7", labels={"queue": "sales"})
        async with (
            AsyncDetectionClient(console.server) as client,
            client.stream(recording.audio_format, options=options, live=False) as stream,
        ):
            for chunk in recording.chunks(1.0):
                await stream.send(chunk)
            alerted.set()
            await asyncio.to_thread(over.wait)
            await stream.finish()
            async for _ in stream:
                pass

    thread = threading.Thread(target=lambda: asyncio.run(talk()))
    thread.start()
    assert alerted.wait(30)
    yield "call-7"
    over.set()
    thread.join(30)


def test_a_machine_at_the_microphone_ends_in_an_alert(browser: Any, console: Console) -> None:
    show(browser, console.url + "/", "Nothing heard yet")
    press(browser, "Start listening")
    until(browser, sees("Alert at", "synthetic"))
    assert "of 100 human voices" in text_of(browser)
    assert browser.find_elements(By.CSS_SELECTOR, "canvas")
    press(browser, "Stop")
    until(browser, sees("Start listening"))
    assert "Probably synthetic" in text_of(browser)


def test_a_recording_that_is_uploaded(browser: Any, console: Console, speech: Path) -> None:
    show(browser, console.url + "/file", "Any audio file")
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(speech))
    until(browser, sees("Judged speech.wav", "Probably synthetic", "SHA-256"))
    assert len(browser.find_elements(By.CSS_SELECTOR, "canvas")) == 2
    press(browser, "Save a report")
    report = browser.saved / "speech.wav.html"
    until(browser, lambda _: report.exists())
    assert "Probably synthetic" in report.read_text()


def test_a_file_without_audio_is_reported(browser: Any, console: Console, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam")
    show(browser, console.url + "/file", "Any audio file")
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(path))
    until(browser, sees("Not judged"))
    assert "dfd-console-" not in text_of(browser)


@pytest.mark.parametrize(
    ("name", "judged"), [("over a telephone", "Less easy"), ("neural", "Hardest")]
)
def test_an_example_that_is_synthesised_here(
    browser: Any, console: Console, name: str, judged: str
) -> None:
    show(browser, console.url + "/file", "Easy")
    press(browser, name)
    until(browser, sees(f"Judged {judged}", "P(spoof)"))


def test_calls_with_alerts_first_and_one_call_in_detail(
    browser: Any, console: Console, call: str
) -> None:
    show(browser, console.url + "/calls", "call-7", "queue=sales", "ALERT")
    search = browser.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("nobody")
    until(browser, lambda b: "call-7" not in text_of(b))
    for _ in "nobody":
        search.send_keys("\b")
    until(browser, sees("call-7"))
    browser.find_element(By.LINK_TEXT, "call-7").click()
    until(browser, sees("Time line", "queue: sales", "windows scored"))


def test_finished_calls(browser: Any, console: Console, speech: Path) -> None:
    with DetectionClient(console.server) as client:
        recording = open_recording(speech)
        options = StreamOptions(stream_id="call-over", labels={"queue": "claims"})
        with client.stream(recording.audio_format, options=options, live=False) as stream:
            stream.send_all(recording.chunks(1.0))
            assert list(stream)
    show(browser, console.url + "/calls", "History")
    browser.find_element(By.LINK_TEXT, "History").click()
    until(browser, sees("call-over", "queue=claims", "synthetic"))
    browser.find_element(By.LINK_TEXT, "call-over").click()
    until(browser, sees("Time line", "Probably synthetic", "queue: claims", "client done"))
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "canvas"))
    press(browser, "Save a report")
    until(browser, lambda _: (browser.saved / "call-over.html").exists())
    assert serious_faults(browser) == []
    browser.find_element(By.LINK_TEXT, "History").click()
    until(browser, sees("call-over"))
    search = browser.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("claims nobody")
    until(browser, sees("0 calls"))


def test_the_model_s_card(browser: Any, console: Console) -> None:
    show(browser, console.url + "/model", "of 100 synthetic ones", "Recipe")
    assert len(browser.find_elements(By.CSS_SELECTOR, "canvas")) >= 3


def test_the_theme_is_remembered(browser: Any, console: Console) -> None:
    show(browser, console.url + "/model", "bundled")
    button = browser.find_element(By.CSS_SELECTOR, "button[aria-label^=Theme]")
    button.click()
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "body.body--dark"))
    show(browser, console.url + "/calls", "running")
    assert browser.find_elements(By.CSS_SELECTOR, "body.body--dark")
    for _ in range(2):
        browser.find_element(By.CSS_SELECTOR, "button[aria-label^=Theme]").click()
    until(browser, lambda b: not b.find_elements(By.CSS_SELECTOR, "body.body--dark"))


@pytest.mark.parametrize("path", ["/", "/file", "/calls", "/calls/history", "/model"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_are_accessible(
    browser: Any, console: Console, call: str, path: str, dark: bool
) -> None:
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    show(browser, console.url + path, {"/calls": "call-7"}.get(path, ""))
    until(browser, lambda b: bool(b.find_elements(By.CSS_SELECTOR, "body.body--dark")) is dark)
    found = serious_faults(browser)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert found == []


@pytest.mark.parametrize("path", ["/", "/file", "/calls", "/model"])
def test_a_telephone_s_width(browser: Any, console: Console, path: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        show(browser, console.url + path, "")
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_browser_logged_no_errors(browser: Any, console: Console) -> None:
    show(browser, console.url + "/", "Nothing heard yet")
    assert browser.get_log("browser") == []
