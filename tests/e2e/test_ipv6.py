"""Daemon, clients and bridges support IPv6, alone and together with IPv4."""

import asyncio
import json
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from websockets.asyncio.client import connect

from dfd.bridges.audiosocket.messages import Frame, Kind
from dfd.bridges.rtp.packets import RtpPacket
from dfd.v1.detection_pb2_grpc import DetectionServiceStub
from tests.bridges.kit import voice
from tests.bridges.websocket.test_forked import JAMBONZ
from tests.chaos.daemon import Daemon, audio, config
from tests.cli.test_bridge import bridge
from tests.clients.command import DFD, clean
from tests.waiting import until


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no address ::1")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon("--host", "::1", "--metrics-host", "::1") as one:
        yield one


def summed_up(events: Path) -> bool:
    return events.exists() and '"summary"' in events.read_text()


def test_the_daemon_its_page_and_its_client(daemon: Daemon) -> None:
    assert daemon.metrics_url.startswith("http://[::1]:")
    assert daemon.figure("dfd_ready") == 1
    told = subprocess.run(
        [*DFD, "info", "--server", f"[::1]:{daemon.port}", "--json"],
        capture_output=True,
        text=True,
        env=clean(),
        timeout=60,
        check=True,
    )
    assert json.loads(told.stdout)["models"][0]["name"] == "noop"


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_all_addresses_includes_both_families(more: tuple[str, ...]) -> None:
    with Daemon("--host", "::", "--allow-open", *more) as both:
        for host in ("127.0.0.1", "[::1]"):
            with grpc.insecure_channel(f"{host}:{both.port}") as channel:
                requests = iter([config(), audio(1.0)])
                answers = DetectionServiceStub(channel).StreamingDetect(requests, timeout=30)
                assert list(answers)[-1].HasField("summary")


async def test_a_call_by_audiosocket(daemon: Daemon, tmp_path: Path) -> None:
    events = tmp_path / "events"
    words = ("audiosocket", "--listen", "[::1]:0", "--server", f"[::1]:{daemon.port}")
    async with bridge(tmp_path / "log", *words, "--events", events) as running:
        reader, writer = await asyncio.open_connection("::1", running.port)
        writer.write(Frame(Kind.UUID, uuid.uuid4().bytes).encode())
        content = voice(1.0).tobytes()
        for at in range(0, len(content), 320):
            writer.write(Frame(0x10, content[at : at + 320]).encode())
        writer.write(Frame(Kind.HANGUP, b"").encode())
        await until(lambda: summed_up(events))
        await reader.read()  # the silence that it sends, until the end
        writer.close()
        assert await running.stop() == 0


async def test_a_call_by_websocket(daemon: Daemon, tmp_path: Path) -> None:
    events = tmp_path / "events"
    words = ("websocket", "--dialect", "jambonz", "--listen", "[::1]:0")
    more = ("--server", f"[::1]:{daemon.port}", "--events", events)
    async with bridge(tmp_path / "log", *words, *more) as running:
        async with connect(f"ws://[::1]:{running.port}/") as peer:
            await peer.send(json.dumps(JAMBONZ))
            for _ in range(20):
                await peer.send(bytes(1280))
        await until(lambda: summed_up(events))
        assert await running.stop() == 0


async def test_a_call_by_rtp(daemon: Daemon, tmp_path: Path) -> None:
    events = tmp_path / "events"
    words = ("rtp", "--listen", "[::1]:0", "--server", f"[::1]:{daemon.port}")
    async with bridge(tmp_path / "log", *words, "--events", events) as running:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            for number in range(100):
                packet = RtpPacket(0, number, 160 * number, 7, False, bytes([0xFF]) * 160)
                sender.sendto(packet.encode(), ("::1", running.port))
                await asyncio.sleep(0.005)  # four times real time
        assert await running.stop() == 0  # which ends the call
    assert summed_up(events)
