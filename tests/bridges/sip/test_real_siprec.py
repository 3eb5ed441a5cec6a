"""A call of two parties through Kamailio and rtpengine, which copies both voices to the bridge.

Kamailio 5.6 has no SIPREC client, and rtpengine sends media but no SIP: the test is the client
between them, that asks rtpengine for the copies and offers them to `dfd bridge sip`.
"""

import asyncio
import contextlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from dfd.clients.alerts.webhook import SIGNATURE_HEADER, verify
from dfd.clients.runs.local_daemon import local_daemon
from tests.bridges.baresip import MODULES, agent, answers
from tests.bridges.real import Bridge, bridge, need, programs, run, seconds, speak
from tests.bridges.rtp.test_server import free_port
from tests.bridges.sip.kit import Caller, multipart, request, tag

pytest.importorskip("torch", reason="no daemon to start: pip install 'dfd[serve]'")

pytestmark = pytest.mark.slow

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
SECRET = b"as bytes"
KAMAILIO = """#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
listen=udp:127.0.0.1:{proxy}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{engine}")
request_route {{
    if (has_totag() || is_method("ACK|BYE|CANCEL")) {{
        if (is_method("BYE|CANCEL")) {{ rtpengine_delete(); }}
        loose_route();
        t_relay();
        exit;
    }}
    record_route();
    rtpengine_offer("replace-origin replace-session-connection label=caller");
    t_on_reply("ANSWER");
    $du = "sip:127.0.0.1:{callee}";
    t_relay();
}}
onreply_route[ANSWER] {{
    if (has_body("application/sdp")) {{
        rtpengine_answer("replace-origin replace-session-connection label=callee");
    }}
}}
"""
METADATA = """<?xml version="1.0"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<session session_id="two-parties"/>{parties}
</recording>"""
PARTY = """
<participant participant_id="{name}"><nameID aor="sip:{name}@127.0.0.1"/></participant>
<stream stream_id="s-{name}" session_id="two-parties"><label>{label}</label></stream>
<participantstreamassoc participant_id="{name}"><send>s-{name}</send></participantstreamassoc>"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[str]:
    with local_daemon(["--deadline-seconds", "60"]) as address:
        yield address


class RtpEngine:
    """rtpengine's control protocol, in its JSON form."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1.0)
        self.socket.connect(("127.0.0.1", port))
        self.number = 0

    def ask(self, command: str, **more: Any) -> dict[str, Any]:
        self.number += 1
        cookie = f"{self.number} ".encode()
        words = {name.replace("_", "-"): value for name, value in more.items()}
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.socket.send(cookie + json.dumps({"command": command, **words}).encode())
                data = self.socket.recv(65536)
                if data.startswith(cookie):
                    answer = json.loads(data[len(cookie) :])
                    assert isinstance(answer, dict)
                    return answer
        raise AssertionError("rtpengine does not answer")


@contextlib.contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Takes signed posts."""
    posted: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert verify(SECRET, self.headers[SIGNATURE_HEADER], body)
            posted.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", posted
        server.shutdown()
        thread.join()


def human(folder: Path) -> Path:
    """Returns a human voice at a telephone's rate."""
    if not LIBRIVOX.is_dir():
        pytest.skip("no human recordings: apt-get install pocketsphinx-testdata")
    need("ffmpeg")
    longest = max(LIBRIVOX.glob("*.wav"), key=lambda path: path.stat().st_size)
    path = folder / "human.wav"
    run("ffmpeg", "-v", "error", "-i", longest, "-ar", 8000, "-ac", 1, path)
    return path


async def recorded(engine: RtpEngine, running: Bridge) -> tuple[Caller, str]:
    """Has both voices of the call copied; returns the caller of the recorder, and its tag."""
    end = time.monotonic() + 20
    while True:
        calls = engine.ask("list")["calls"]
        tags = engine.ask("query", call_id=calls[0])["tags"] if calls else {}
        names = {one: told.get("label", "") for one, told in tags.items()}
        if sorted(names.values()) == ["callee", "caller"]:
            break
        assert time.monotonic() < end, "no call came to rtpengine"
        await asyncio.sleep(0.1)  # rtpengine announces no call
    copies = engine.ask("subscribe request", call_id=calls[0], flags=["all", "SIPREC"])
    labels = {label: names[one["tag"]] for label, one in copies["media-labels"].items()}
    parties = "".join(PARTY.format(name=name, label=label) for label, name in labels.items())
    body, kind = multipart(copies["sdp"], METADATA.format(parties=parties))
    caller = Caller(running.port)
    answer = await caller.call(body, kind=kind, headers=("Require: siprec",))
    done = engine.ask(
        "subscribe answer",
        call_id=calls[0],
        to_tag=copies["to-tag"],
        sdp=answer.body.decode(),
    )
    assert done["result"] == "ok"
    return caller, tag(answer)


async def test_one_human_and_one_machine_on_a_call(daemon: str, tmp_path: Path) -> None:
    need("baresip", "kamailio", "rtpengine")
    if not (MODULES / "aufile.so").exists():
        pytest.skip("baresip has no module aufile: apt-get install baresip-core")
    person, machine = human(tmp_path), speak(tmp_path, 8000)
    proxy, engine_port, callee, ann_port = (free_port() for _ in range(4))
    config = tmp_path / "kamailio.cfg"
    config.write_text(KAMAILIO.format(proxy=proxy, engine=engine_port, callee=callee))
    secret, verdicts = tmp_path / "secret", tmp_path / "verdicts.jsonl"
    secret.write_bytes(SECRET)
    rtpengine = (
        *("rtpengine", "--config-file=none", "--table=-1", "--interface=127.0.0.1"),
        *("--foreground", "--log-stderr", "--log-level=4", "--num-threads=2"),
        *(f"--listen-ng=127.0.0.1:{engine_port}", "--port-min=42000", "--port-max=43000"),
    )
    kamailio = (
        *("kamailio", "-DD", "-E", "-f", config, "-P", tmp_path / "pid", "-m", 32, "-M", 4),
        *("-w", tmp_path, "-Y", tmp_path),
    )
    ann = agent(tmp_path, "ann", ann_port, machine)
    bob = agent(tmp_path, "bob", callee, person)
    lasts = int(soundfile.info(machine).duration) + 3
    engine = RtpEngine(engine_port)
    with (
        contextlib.closing(engine.socket),
        webhook() as (url, posted),
        programs([rtpengine, kamailio]),
    ):
        assert engine.ask("ping")["result"] == "pong"
        words = ("sip", "--listen", "127.0.0.1:0", "--on-alert", url, "--action-per", "call")
        more = ("--webhook-secret-file", secret, "--on-summary", f"file:{verdicts}")
        with bridge(tmp_path, daemon, *words, *more) as running:
            answering = ("baresip", "-f", bob, "-t", lasts + 15)
            calling = ("baresip", "-f", ann, "-t", lasts + 3, "-e", f"d sip:bob@127.0.0.1:{proxy}")
            with programs([answering]):
                await answers(callee)
                with programs([calling]):
                    caller, to_tag = await recorded(engine, running)
                    with contextlib.closing(caller):
                        await asyncio.sleep(lasts - 1)  # both have spoken
                        bye = await caller.ask(request("BYE", to_tag=to_tag, cseq=2))
                        assert bye.code == 200
            (summary,) = await running.summaries(1)
            alerts = [one for one in running.told() if "alert" in one]
    speakers = {n: summary["labels"][f"channel_{n}"] for n in (0, 1)}
    assert sorted(speakers.values()) == ["sip:callee@127.0.0.1", "sip:caller@127.0.0.1"]
    machine_channel = next(one for one, name in speakers.items() if "caller" in name)
    assert {one["alert"]["channel"] for one in alerts} == {machine_channel}
    assert len(alerts) > 1  # rolling and cumulative
    (line,) = posted
    assert line["alert"]["channel"] == machine_channel
    assert line["labels"][f"channel_{machine_channel}"] == "sip:caller@127.0.0.1"
    assert line["labels"]["siprec_session"] == "two-parties"
    (verdict,) = [json.loads(one) for one in verdicts.read_text().splitlines()]
    assert verdict["call_id"] == line["call_id"] == summary["call_id"]
    by_name = {speakers[one["channel"]]: one for one in verdict["summary"]["channels"]}
    assert by_name["sip:caller@127.0.0.1"]["verdict"] == "VERDICT_SPOOF"
    assert by_name["sip:callee@127.0.0.1"]["verdict"] != "VERDICT_SPOOF"
    assert "first_alert_offset" not in by_name["sip:callee@127.0.0.1"]
    for one in by_name.values():
        assert seconds(one["audio_duration"]) > 5
