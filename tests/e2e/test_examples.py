"""Every example runs with the real daemon."""

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

from tests.e2e.conftest import ROOT, Daemon

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"
SECRET = os.environ | {"DFD_WEBHOOK_SECRET": "s3cret"}


def run(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in words]
    options = {"capture_output": True, "text": True, "timeout": 120, "check": False} | more
    done: subprocess.CompletedProcess[str] = subprocess.run(command, **options)  # type: ignore[call-overload]
    return done


def test_every_example_is_listed_and_tested() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    tested = Path(__file__).read_text()
    for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*/*.js")]:
        name = str(path.relative_to(EXAMPLES))
        assert f"]({name})" in listed
        assert f'"{name}"' in tested


def test_stream_recording(daemon: Daemon, synthetic: list[Path]) -> None:
    done = run(sys.executable, EXAMPLES / "stream_recording.py", synthetic[0], daemon.address)
    assert done.returncode == 0, done.stderr
    assert "Alert(" in done.stdout
    assert "Summary(" in done.stdout.splitlines()[-1]


@contextmanager
def receiver() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    command = [sys.executable, str(EXAMPLES / "webhook_receiver.py"), "0"]
    process = subprocess.Popen(command, env=SECRET, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("listening on ").strip(), process
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(20)


def test_an_alert_reaches_the_webhook(
    daemon: Daemon, synthetic: list[Path], tmp_path: Path
) -> None:
    samples, rate = soundfile.read(synthetic[0], dtype="int16")
    raw = tmp_path / "speech.raw"
    raw.write_bytes(samples.tobytes())
    with receiver() as (url, process), raw.open("rb") as audio:
        words = [EXAMPLES / "alert_to_webhook.py", url, "--server", daemon.address]
        done = run(sys.executable, *words, "--rate", rate, stdin=audio, env=SECRET)
        assert done.returncode == 0, done.stderr
        assert process.stdout is not None
        told = process.stdout.readline()
    assert "TRIGGER_" in told
    assert "P(spoof)" in told


def test_the_receiver_refuses_unsigned_requests() -> None:
    with receiver() as (url, _):
        import urllib.error
        import urllib.request

        request = urllib.request.Request(url, b"{}", {"X-Dfd-Signature": "t=1,v1=00"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        refused.value.close()
    assert refused.value.code == 403


class Asterisk(socketserver.StreamRequestHandler):
    """A minimal manager interface that answers as Asterisk 20 does, and records the actions."""

    told: list[dict[str, str]]

    def handle(self) -> None:
        self.wfile.write(b"Asterisk Call Manager/9.0.0\r\n")
        fields: dict[str, str] = {}
        for line in self.rfile:
            key, _, value = line.decode().strip().partition(": ")
            if key:
                fields[key] = value
                continue
            self.told.append(fields)
            self.wfile.write(b"Response: Success\r\nMessage: fine\r\n\r\n")
            if fields["Action"] == "DBGet":
                event = (
                    "Event: DBGetResponse\r\nFamily: dfd\r\nKey: {Key}\r\nVal: PJSIP/a-1\r\n\r\n"
                )
                self.wfile.write(event.format(**fields).encode())
            fields = {}


@pytest.mark.parametrize("cleared", [False, True])
def test_the_telephony_hook_redirects_a_suspicious_call(cleared: bool) -> None:
    Asterisk.told = []
    line = {"labels": {"call_uuid": "1f3a"}, "alert": {"cleared": cleared}}
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Asterisk) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        words = [EXAMPLES / "telephony_hook.py", "--context", "fraud-desk"]
        words += ["--port", str(server.server_address[1])]
        done = run(
            sys.executable, *words, input=json.dumps(line), env=os.environ | {"AMI_SECRET": "x"}
        )
        server.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    actions = [fields["Action"] for fields in Asterisk.told]
    assert actions == ([] if cleared else ["Login", "DBGet", "Redirect"])
    if not cleared:
        assert Asterisk.told[1]["Key"] == "1f3a"
        assert Asterisk.told[2]["Channel"] == "PJSIP/a-1"
        assert Asterisk.told[2]["Context"] == "fraud-desk"


def test_the_node_client(daemon: Daemon, synthetic: list[Path]) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed: apt-get install nodejs npm")
    if not (EXAMPLES / "node" / "node_modules" / "@grpc" / "grpc-js").is_dir():
        pytest.skip("grpc-js is not installed: npm ci --prefix examples/node")
    done = run("node", EXAMPLES / "node/client.js", synthetic[0], daemon.address)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert "started" in events[0]
    assert any("alert" in event for event in events)
    assert events[-1]["summary"]["channels"][0]["verdict"] == "VERDICT_SPOOF"


def test_the_node_client_reports_what_is_wrong(synthetic: list[Path]) -> None:
    if not (EXAMPLES / "node" / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("node and grpc-js are not installed: .ci/install")
    done = run("node", EXAMPLES / "node/client.js", __file__, "localhost:1")
    assert done.returncode == 1
    assert "is not a WAV file" in done.stderr
    done = run("node", EXAMPLES / "node" / "client.js", synthetic[0], "localhost:1")
    assert done.returncode == 1
    assert done.stderr.startswith("client: ")
