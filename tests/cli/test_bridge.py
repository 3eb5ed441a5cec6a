import asyncio
import contextlib
import http.server
import json
import re
import signal
import socket
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from websockets.asyncio.client import connect

from dfd.bridges.audiosocket.messages import Frame, Kind
from dfd.cli.bridge import command
from dfd.clients.alerts.webhook import SIGNATURE_HEADER, verify
from tests.bridges.kit import voice
from tests.bridges.real import BRIDGE
from tests.bridges.websocket.test_forked import JAMBONZ
from tests.clients.command import clean
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script
from tests.waiting import turns, until


def bridge_here(*words: object) -> tuple[int, str]:
    """Runs the command in this process, for runs that end before anything is served."""
    result = CliRunner(env={"DFD_SERVER": None, "COLUMNS": "120"}).invoke(
        command, [str(word) for word in words], prog_name="dfd bridge"
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


class Running:
    """`dfd bridge` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, log: Path) -> None:
        self.process, self.address, self.log = process, address, log

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        async with asyncio.timeout(60):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def bridge(log: Path, *words: object) -> AsyncIterator[Running]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *BRIDGE,
            *(str(word) for word in words),
            env=clean(),
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert " ready on " in line, f"it did not start: see {log}"
        yield Running(process, line.partition(" ready on ")[2].split()[0].rstrip(","), log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await turns()  # its transport closes


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    got: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers[SIGNATURE_HEADER], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()
    thread.join()


async def test_an_alert_reaches_every_action(
    tmp_path: Path, hook: tuple[str, list[tuple[str, bytes]]]
) -> None:
    url, got = hook
    act, secret = tmp_path / "act.py", tmp_path / "secret"
    act.write_text("import sys; open(sys.argv[1], 'a').write(sys.stdin.read())")
    secret.write_text("s3cret\n")
    acted, alerts, events = (tmp_path / name for name in ("acted", "alerts", "events"))
    async with ScriptedServer(Script(alert_after=1.0)) as daemon:
        words = (
            "audiosocket", "--listen", "127.0.0.1:0", "--server", daemon.address,
            "--on-alert", f"{sys.executable} {act} {acted}", "--on-alert", url,
            "--on-alert", f"file:{alerts}", "--webhook-secret-file", secret,
            "--events", events, "--label", "site=B", "--rolling-threshold", 0.7,
            "--metrics", "127.0.0.1:0",
        )  # fmt: skip
        async with bridge(tmp_path / "log", *words) as running:
            call = uuid.uuid4()
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(Frame(Kind.UUID, call.bytes).encode())
            content = voice(1.5).tobytes()
            for at in range(0, len(content), 320):
                writer.write(Frame(0x10, content[at : at + 320]).encode())
            await until(lambda: acted.exists() and acted.read_text().endswith("\n"))
            await until(lambda: got)
            assert await running.stop() == 0
            await reader.read()
            writer.close()
        config = daemon.connections[0].config
        assert dict(config.labels) == {"site": "B", "call_uuid": str(call)}
        assert config.alert_policy.rolling_threshold == pytest.approx(0.7)
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    kinds = [next(key for key in line if key in KINDS) for line in lines]
    assert kinds[0] == "started"
    assert kinds[-1] == "summary"
    assert "alert" in kinds
    assert {line["call_id"] for line in lines} == {str(call)}
    signature, body = got[0]
    assert verify("s3cret", signature, body)
    told = [json.loads(text) for text in (acted.read_text(), alerts.read_text(), body)]
    assert told[0] == told[1] == told[2] == lines[kinds.index("alert")]
    assert told[0]["labels"] == {"site": "B", "call_uuid": str(call)}
    assert told[0]["protocol"] == "audiosocket"
    log = (tmp_path / "log").read_text()
    assert re.search(rf"call began .*call_id={call} ", log)
    assert "metrics ready" in log


KINDS = {"started", "window", "alert", "summary", "warning"}


async def test_websocket_media(tmp_path: Path) -> None:
    events = tmp_path / "events"
    async with ScriptedServer() as daemon:
        words = ("websocket", "--dialect", "jambonz", "--listen", "127.0.0.1:0")
        more = ("--server", daemon.address, "--events", events)
        async with bridge(tmp_path / "log", *words, *more) as running:
            async with connect(f"ws://{running.address}/") as peer:
                await peer.send(json.dumps(JAMBONZ))
                for _ in range(100):
                    await peer.send(bytes(1280))
            await until(lambda: events.exists() and '"summary"' in events.read_text())
            assert await running.stop(signal.SIGINT) == 0
    assert daemon.connections[0].config.stream_id == "c0ffee"


async def test_rtp_ports(tmp_path: Path) -> None:
    async with ScriptedServer() as daemon:
        words = ("rtp", "--listen", "127.0.0.1:0", "--payload", "96=L16/16000")
        async with bridge(tmp_path / "log", *words, "--server", daemon.address) as running:
            assert running.port > 0
            assert await running.stop() == 0


@pytest.mark.parametrize("verb", ["audiosocket", "rtp", "websocket"])
def test_help(verb: str) -> None:
    status, text = bridge_here(verb, "--help")
    assert status == 0
    for option in ("--server", "--on-alert", "--events", "--listen", "--max-calls"):
        assert option in text


def test_the_dialects_match_the_servers() -> None:
    from dfd.bridges.websocket.server import DIALECTS
    from dfd.cli.bridge import _DIALECTS

    assert set(_DIALECTS) == set(DIALECTS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audiosocket", "--listen", "nowhere"), "is not an address"),
        (("audiosocket", "--listen", "127.0.0.1:99999"), "is not an address"),
        (("audiosocket", "--server", "words"), "is not an address"),
        (("audiosocket", "--on-alert", "http://a.example/"), "webhook-secret-file"),
        (("audiosocket", "--on-alert", "/no/such/program"), "no program"),
        (("audiosocket", "--on-alert", "file:/no/such/folder/x"), "cannot be written"),
        (("audiosocket", "--events", "/no/such/folder/x"), "there is no folder"),
        (("audiosocket", "--label", "nothing"), "not a label"),
        (("audiosocket", "--max-calls", "0"), "--max-calls"),
        (("audiosocket", "--metrics", "x"), "is not an address"),
        (("rtp", "--sdp", "/no/such/file"), "cannot be read"),
        (("rtp", "--payload", "x"), "payload type"),
        (("rtp", "--ports", "5"), "range of ports"),
        (("rtp", "--ports", "9-5"), "range of ports"),
        (("websocket",), "--dialect"),
        (("websocket", "--dialect", "morse"), "--dialect"),
        (("websocket", "--dialect", "twilio", "--twilio-token-file", "/no/x"), "cannot be read"),
        (("websocket", "--dialect", "twilio", "--listen-cert", "/no/x"), "certificate"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], says: str) -> None:
    status, text = bridge_here(*words)
    assert status == 2
    assert says in text
    assert text.startswith(f"dfd bridge {words[0]}: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text


def test_a_port_in_use_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, text = bridge_here("audiosocket", "--listen", address)
    assert status == 2
    assert "cannot listen" in text
