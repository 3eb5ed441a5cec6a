"""Several daemons behind Debian's HAProxy or nginx, with one journal: nodes end, streams do not."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dfd.clients import AsyncDetectionClient, AudioFormat, Connection, events
from dfd.clients.options import StreamOptions, VadOptions
from tests.certificates import Issued, issue
from tests.chaos.daemon import Daemon
from tests.daemon.journal.databases import postgres
from tests.deploy.proxies import free_port, haproxy, nginx

AUDIO = AudioFormat(sample_rate_hz=16_000)
TENTH = b"\x00\x08\x00\xf8" * 800
SECONDS = 14.0
E = TypeVar("E")

pytestmark = pytest.mark.slow


@dataclass
class Call:
    """One call in real time through the balancer, and its events with their times."""

    stream_id: str
    told: list[events.Event] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def run(self, place: Connection) -> None:
        options = StreamOptions(stream_id=self.stream_id, vad=VadOptions(min_speech_seconds=0.0))
        async with (
            AsyncDetectionClient(place) as client,
            client.stream(AUDIO, options=options) as stream,
        ):
            talking = asyncio.create_task(stream.send_all(self._talk()))
            async for event in stream:
                self.told.append(event)
                self.times.append(time.monotonic())
            await talking

    async def _talk(self) -> AsyncIterator[bytes]:
        began = time.monotonic()
        for number in range(round(SECONDS * 10)):
            yield TENTH
            # in real time, from the start of the call
            await asyncio.sleep(max(0.0, began + number / 10 - time.monotonic()))

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def away_seconds(self) -> float:
        """Seconds from the loss of its daemon until another one took over."""
        lost = next(
            at
            for at, event in zip(self.times, self.told, strict=True)
            if isinstance(event, events.ConnectionLost)
        )
        back = max(
            at
            for at, event in zip(self.times, self.told, strict=True)
            if isinstance(event, events.Reconnected)
        )
        return back - lost


@pytest.fixture
def journal() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="no driver: pip install 'dfd[postgres]'")
    with postgres() as url:
        yield url


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "resume.key"
    path.write_text("0123456789abcdef" * 4 + "\n")
    return path


def node(journal: str, key: Path, port: int = 0) -> Daemon:
    return Daemon(
        *("--journal", journal, "--resume-key", str(key), "--handover", "--grace-seconds", "3"),
        *("--port", str(port)),
    )


def haproxy_of(folder: Path, nodes: list[Daemon], port: int, certificate: Issued) -> list[str]:
    """Writes the shipped file with a line for each node; returns the command."""
    command = haproxy(folder, certificate, port, 0)
    lines = [
        f"    server n{number} 127.0.0.1:{one.port}"
        f" check port {metrics(one)} inter 100ms fall 2 rise 1"
        for number, one in enumerate(nodes)
    ]
    replace_line(folder / "haproxy.cfg", "server one", lines)
    return command


def nginx_of(folder: Path, nodes: list[Daemon], port: int, certificate: Issued) -> list[str]:
    """Writes the shipped file with the lines that docs/proxies.md gives for several nodes."""
    command = nginx(folder, certificate, port, 1)
    lines = ["    least_conn;", "    zone dfd 64k;"]
    lines += [f"    server 127.0.0.1:{one.port} max_fails=1 fail_timeout=2s;" for one in nodes]
    replace_line(folder / "dfd.conf", "server 127.0.0.1:1;", lines)
    return command


def replace_line(path: Path, start: str, lines: list[str]) -> None:
    text = path.read_text()
    (line,) = [line for line in text.splitlines() if line.strip().startswith(start)]
    path.write_text(text.replace(line, "\n".join(lines)))


@contextlib.contextmanager
def balancer(name: str, folder: Path, nodes: list[Daemon]) -> Iterator[Connection]:
    """Runs a balancer in front of the nodes; yields its address."""
    certificate, port = issue(folder, "proxy"), free_port()
    command = {"haproxy": haproxy_of, "nginx": nginx_of}[name](folder, nodes, port, certificate)
    process = subprocess.Popen(command)
    try:
        yield Connection(server=f"localhost:{port}", tls_ca=certificate.cert_path)
    finally:
        process.terminate()
        process.wait(20)


def metrics(daemon: Daemon) -> int:
    return int(daemon.metrics_url.split(":")[2].split("/")[0])


def streams(daemon: Daemon) -> int:
    return int(daemon.figure("dfd_streams_active"))


async def started(calls: list[Call], place: Connection) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(call.run(place)) for call in calls]
    async with asyncio.timeout(30):
        while any(len(call.of(events.WindowResult)) < 2 for call in calls):
            await asyncio.sleep(0.05)  # a call that fails is raised below
            for task in tasks:
                if task.done():
                    task.result()
    return tasks


def whole(calls: list[Call], like: Call) -> None:
    """Checks that each summary covers the whole call, and that each window was reported once."""
    for call in calls:
        summary, wanted = call.told[-1], like.told[-1]
        assert isinstance(summary, events.Summary)
        assert isinstance(wanted, events.Summary)
        assert summary.end_reason is events.EndReason.CLIENT_DONE
        (found,), (expected,) = summary.channels, wanted.channels
        assert found.gap_seconds == 0.0
        assert found.audio_seconds == expected.audio_seconds == SECONDS
        assert found.windows_scored == expected.windows_scored
        sequences = [window.sequence for window in call.of(events.WindowResult)]
        assert sequences == list(range(len(sequences)))
        assert all(again.resumed for again in call.of(events.Reconnected))


def ends(journal: str) -> dict[str, list[str]]:
    """Returns how the calls of each stream ended according to the journal, in order."""
    done = subprocess.run(
        [sys.executable, "-m", "dfd", "history", "list", "--journal", journal, "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, list[str]] = {}
    for row in reversed([json.loads(line) for line in done.stdout.splitlines()]):
        found.setdefault(row["stream_id"], []).append(row["end"])
    return found


@contextlib.contextmanager
def two_nodes(
    name: str, journal: str, key: Path, folder: Path
) -> Iterator[tuple[Daemon, Daemon, Connection]]:
    """Runs two daemons behind a balancer; yields them and its address."""
    with (
        node(journal, key) as one,
        node(journal, key) as other,
        balancer(name, folder, [one, other]) as place,
    ):
        yield one, other, place


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
async def test_a_dying_node_loses_no_stream(
    name: str, journal: str, key: Path, tmp_path: Path
) -> None:
    """Its streams are back within 5 s with all evidence; those of other nodes are not affected."""
    calls = [Call(f"call-{number}") for number in range(6)]
    with two_nodes(name, journal, key, tmp_path) as (one, other, place):
        await until_ready(place)
        tasks = await started(calls, place)
        on_one, on_other = streams(one), streams(other)
        assert (on_one, on_other) == (3, 3)  # balanced by the fewest connections
        watched = await asyncio.to_thread(watch, [one, other])
        assert {shown["server"]: len(shown["streams"]) for shown in watched} == {
            one.address: 3,
            other.address: 3,
        }
        one.process.send_signal(signal.SIGKILL)
        await asyncio.gather(*tasks)
        moved = [call for call in calls if call.of(events.ConnectionLost)]
        assert len(moved) == on_one
        stayed = [call for call in calls if call not in moved]
        assert not any(call.of(events.StreamWarning) for call in stayed)
        assert max(call.away_seconds for call in moved) < 5.0
        whole(moved, like=stayed[0])
        whole(stayed, like=stayed[0])
        found = ends(journal)
        assert {name: found[name] for name in found if name.startswith("call-")} == {
            **{call.stream_id: ["moved", "client_done"] for call in moved},
            **{call.stream_id: ["client_done"] for call in stayed},
        }


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
async def test_a_draining_node_hands_over_its_streams(
    name: str, journal: str, key: Path, tmp_path: Path
) -> None:
    calls = [Call(f"call-{number}") for number in range(4)]
    with two_nodes(name, journal, key, tmp_path) as (one, other, place):
        await until_ready(place)
        tasks = await started(calls, place)
        assert (streams(one), streams(other)) == (2, 2)
        one.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(one.process.wait, 20) == 0
        late = Call("late")  # a draining node accepts no new stream
        await asyncio.gather(*tasks, late.run(place))
        moved = [call for call in calls if call.of(events.ConnectionLost)]
        assert len(moved) == 2
        for call in moved:
            assert call.of(events.ConnectionLost)[0].reason == "SERVER_DRAINING"
            assert call.away_seconds < 5.0
        assert not late.of(events.ConnectionLost)
        whole(calls, like=late)


async def until_ready(place: Connection) -> None:
    """Waits until both nodes are known to accept streams."""
    await asyncio.sleep(0.5)  # HAProxy checks every 100 ms, and does not say what it has found
    async with AsyncDetectionClient(place) as client:
        assert (await client.server_info()).version


def watch(nodes: list[Daemon]) -> list[dict[str, Any]]:
    servers = [word for one in nodes for word in ("--server", one.address)]
    done = subprocess.run(
        [sys.executable, "-m", "dfd", "watch", "--once", "--json", *servers],
        check=True,
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
