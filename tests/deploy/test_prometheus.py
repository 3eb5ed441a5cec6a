"""The files for Prometheus and Grafana, with a real Prometheus that scrapes a real daemon."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd.clients.blocking import DetectionClient
from dfd.clients.sources.recording import open_recording
from tests.clients.command import DFD, clean

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "dfd.rules.yml"


def needs(command: str) -> str:
    found = shutil.which(command)
    if found is None:
        pytest.skip(f"{command} is missing: apt-get install prometheus")
    return found


def test_promtool_finds_no_error() -> None:
    promtool = needs("promtool")
    for words in (
        ["check", "rules", RULES.name],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "dfd.rules_test.yml"],
    ):
        done = subprocess.run(
            [promtool, *words], cwd=RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def daemon() -> Iterator[tuple[str, str]]:
    """Returns the address of a daemon, and that of its metrics page."""
    pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")
    command = [*DFD, "serve", "--port", "0", "--metrics-port", "0", "--deadline-seconds", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean())
    assert process.stdout is not None
    try:
        found = re.fullmatch(
            r"dfd ready on (\S+) \(metrics http://(\S+)/metrics\)\n", process.stdout.readline()
        )
        assert found is not None
        yield found[1], found[2]
    finally:
        process.send_signal(signal.SIGTERM)
        with process.stdout:
            process.wait(60)


class Prometheus:
    """A Prometheus that scrapes one target every half second, with the shipped rules."""

    def __init__(self, target: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = folder / "prometheus.yml"
        shipped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        text = shipped.replace("15s", "500ms").replace("localhost:9464", target)
        assert target in text
        config.write_text(text)
        # the expected alert has no delay of its own
        shutil.copy(RULES, folder)
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [
                needs("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stderr=subprocess.DEVNULL,
        )

    def ask(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10
        ) as answer:
            return json.load(answer)["data"]

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if found := condition():
                    return found
            assert time.monotonic() < end
            time.sleep(0.2)  # Prometheus announces nothing

    def value(self, query: str) -> float | None:
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("espeak-ng") is None:
        pytest.skip("nothing to speak with: apt-get install espeak-ng")
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    text = "Hello, this is your bank. We have seen an unusual payment on your account today."
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", path, text * 2], check=True)
    return path


def test_a_synthetic_voice_fires_an_alert_in_prometheus(speech: Path, tmp_path: Path) -> None:
    needs("prometheus")
    with daemon() as (address, metrics):
        prometheus = Prometheus(metrics, tmp_path)
        try:
            prometheus.until(lambda: prometheus.value('up{job="dfd"}') == 1.0)
            prometheus.until(lambda: prometheus.value("dfd_ready") == 1.0)
            recording = open_recording(speech)
            with (
                DetectionClient(address) as client,
                client.stream(recording.audio_format, live=False) as stream,
            ):
                stream.send_all(recording.chunks(0.5))
                events = list(stream)
            assert any(type(event).__name__ == "Alert" for event in events)
            # a counter that was never scraped at 0 shows no increase, so one more call is needed
            prometheus.until(lambda: prometheus.value("sum(dfd_alerts_total)"))
            with DetectionClient(address) as client:
                client.detect(open_recording(speech))

            def firing() -> list[Any]:
                alerts = prometheus.ask("alerts")["alerts"]
                return [a for a in alerts if a["labels"]["alertname"] == "DfdSpoofAlert"]

            (alert, *_) = prometheus.until(firing)
            assert alert["state"] == "firing"
            assert "sounds synthetic" in alert["annotations"]["summary"]
            names = set(prometheus.ask("label/__name__/values"))
            for panel in _panels():
                for target in panel["targets"]:
                    query = target["expr"].replace("$job", ".*").replace("$instance", ".*")
                    prometheus.ask("query", query=query)  # raises an error if it is malformed
                    for name in re.findall(r"\b(?:dfd|process)_\w+", query):
                        assert name in names | _ONLY_AFTER_A_FAULT, f"{name} in {panel['title']}"
        finally:
            prometheus.process.terminate()
            prometheus.process.wait(20)


# counters with labels appear with their first count
_ONLY_AFTER_A_FAULT = {"dfd_errors_total"}


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "dfd.json").read_text())[
        "panels"
    ]
    return panels


def test_the_dashboard_s_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in _panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_rules_name_metrics_that_the_daemon_or_a_bridge_has() -> None:
    pytest.importorskip("prometheus_client", reason="pip install 'dfd[serve]'")
    from dfd.bridges.exchange import Exchange
    from dfd.bridges.options import BridgeOptions
    from dfd.clients.alerts.sinks import Sinks
    from dfd.daemon.metrics import Metrics

    nobody: Any = None
    bridge = Exchange(nobody, BridgeOptions(), Sinks()).metrics
    known = set()
    for family in (*Metrics().registry.collect(), *bridge.collect()):
        known |= {family.name + end for end in ("", "_total", "_bucket", "_sum", "_count", "_info")}
    named = set(re.findall(r"\bdfd_\w+", RULES.read_text()))
    assert named <= known
