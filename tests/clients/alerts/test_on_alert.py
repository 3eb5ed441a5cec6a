import http.server
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfd.clients.alerts.on_alert import JsonLinesLog, on_alert, read_secret
from dfd.clients.alerts.webhook import DELIVERY_HEADER, SIGNATURE_HEADER, WebhookSink, sign, verify
from dfd.clients.alerts.worker import Workers
from dfd.errors import UserError
from tests.clients import said
from tests.waiting import wait_until

ALERT = said.alert()
OTHER = said.warning()


class Receiver:
    """A webhook's receiver; answers with the given statuses, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.delay = 0.0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                time.sleep(receiver.delay)  # as a slow receiver
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_a_webhook_is_signed(receiver: Receiver) -> None:
    sink = WebhookSink(receiver.url, "secret")
    sink.emit("s-1", ALERT, call_id="c-1")
    sink.close()
    ((headers, body),) = receiver.got
    assert verify("secret", headers[SIGNATURE_HEADER], body)
    assert not verify("other", headers[SIGNATURE_HEADER], body)
    assert not verify("secret", headers[SIGNATURE_HEADER], body + b" ")
    line = json.loads(body)
    assert (line["stream_id"], line["call_id"]) == ("s-1", "c-1")
    assert line["alert"]["trigger"] == "TRIGGER_ROLLING"
    assert sink.workers.done == 1


def test_old_signatures_are_refused() -> None:
    old = sign("secret", int(time.time()) - 1000, b"x")
    assert not verify("secret", old, b"x")
    assert not verify("secret", "", b"x")
    assert not verify("secret", "t=x,v1=y", b"x")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_webhook_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status, status]
    sink = WebhookSink(receiver.url, "secret", first_delay_seconds=0.01)
    sink.emit("s-1", ALERT)
    wait_until(lambda: sink.workers.done)
    sink.close()
    assert len({headers[DELIVERY_HEADER] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


@pytest.mark.parametrize("status", [400, 404, 302])
def test_permanent_failures_are_not_retried(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    receiver.statuses = [status]
    sink = WebhookSink(receiver.url, "secret", first_delay_seconds=0.01)
    sink.emit("s-1", ALERT)
    wait_until(lambda: sink.workers.failed)
    sink.close()
    assert len(receiver.got) == 1
    assert f"status {status}" in caplog.text
    assert "/hook" not in caplog.text


def test_an_unreachable_webhook_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        sink = WebhookSink(url, "secret", attempts=3, first_delay_seconds=0.01)
        sink.emit("s-1", ALERT)
        wait_until(lambda: sink.workers.failed)
        sink.close()
    assert "in 3 attempts" in caplog.text


def test_a_slow_webhook_blocks_nothing(receiver: Receiver) -> None:
    receiver.delay = 0.3
    sink = WebhookSink(receiver.url, "secret")
    began = time.monotonic()
    for _ in range(20):
        sink.emit("s-1", ALERT)
    assert time.monotonic() - began < 0.3
    sink.close()


def test_closing_does_not_wait_for_the_next_attempt(receiver: Receiver) -> None:
    receiver.statuses = [500] * 9
    sink = WebhookSink(receiver.url, "secret", first_delay_seconds=30.0)
    sink.emit("s-1", ALERT)
    wait_until(lambda: receiver.got)
    sink.close()
    assert sink.workers.failed == 1


@pytest.mark.parametrize("url", ["ftp://a/", "http://", "https:///x", "words"])
def test_invalid_urls_are_refused(url: str) -> None:
    with pytest.raises(UserError, match="webhook"):
        WebhookSink(url, "secret")


def test_a_webhook_needs_a_secret() -> None:
    with pytest.raises(UserError, match="secret"):
        on_alert("https://a.example/", None)


def test_a_command_reads_json(tmp_path: Path) -> None:
    path = tmp_path / "act.py"
    path.write_text("import sys; open(sys.argv[1], 'w').write(sys.stdin.read())")
    sink = on_alert(f"{sys.executable} '{path}' '{tmp_path}/out file'", None)
    sink.emit("s-1", OTHER)
    sink.emit("s-1", ALERT, call_id="c-1; rm -rf $HOME")
    sink.close()
    line = json.loads((tmp_path / "out file").read_text())
    assert line["call_id"] == "c-1; rm -rf $HOME"
    assert line["alert"]["cleared"] is False


def test_a_failing_command_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink = on_alert("false", None)
    sink.emit("s-1", ALERT)
    sink.close()
    assert "false failed with status 1" in caplog.text


@pytest.mark.parametrize(
    ("command", "words"),
    [("", "empty"), ("'half", "cannot be parsed"), ("/no/such/program -x", "no program")],
)
def test_invalid_commands_are_refused(command: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        on_alert(command, None)


def test_a_full_queue_drops_events_and_reports_it(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    def wait(_: str) -> None:
        gate.wait(20)

    workers = Workers("slow", wait, threads=1, backlog=1)
    assert workers.put("a")
    wait_until(lambda: workers._queue.empty())
    assert workers.put("b")
    assert not workers.put("c")
    assert workers.dropped == 1
    assert "dropped" in caplog.text
    gate.set()
    workers.close(20)
    assert workers.done == 2


def test_a_file_is_kept_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for _ in range(2):
        sink = on_alert(f"file:{path}", None)
        sink.emit("s-1", OTHER)
        sink.emit("s-1", ALERT)
        sink.close()
    assert [list(json.loads(line)) for line in path.read_text().splitlines()] == [
        ["stream_id", "alert"],
        ["stream_id", "alert"],
    ]
    with pytest.raises(UserError, match="cannot be written"):
        JsonLinesLog(tmp_path)


def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    sink = JsonLinesLog("-")
    sink.emit("s-1", ALERT)
    sink.close()
    assert '"alert"' in capsys.readouterr().out


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    with pytest.raises(UserError, match="cannot be read"):
        read_secret(path)
    path.write_text("\n")
    with pytest.raises(UserError, match="empty"):
        read_secret(path)
    path.write_text("abc\n")
    assert read_secret(path) == "abc"
    path.write_bytes(b"\xff\x00key\n")
    assert read_secret(path) == b"\xff\x00key"
    monkeypatch.delenv("DFD_WEBHOOK_SECRET", raising=False)
    assert read_secret(None) is None
    monkeypatch.setitem(os.environ, "DFD_WEBHOOK_SECRET", "env")
    assert read_secret(None) == "env"


def test_a_webhook_on_loopback_bypasses_the_proxy(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        sink = WebhookSink(receiver.url.replace("127.0.0.1", "localhost"), "s", timeout_seconds=3.0)
        sink.emit("s-1", ALERT)
        wait_until(lambda: receiver.got)
        sink.close()
        elsewhere = WebhookSink("http://dfd.example/", "s", attempts=1, timeout_seconds=3.0)
        elsewhere.emit("s-1", ALERT)
        proxy.settimeout(20)
        connection, _ = proxy.accept()  # the first request is for another address
        with connection:
            assert connection.recv(100).startswith(b"POST http://dfd.example/")
        elsewhere.close()
