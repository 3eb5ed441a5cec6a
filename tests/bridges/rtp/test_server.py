import asyncio
import contextlib
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from dfd.bridges.exchange import Exchange
from dfd.bridges.media.codecs import STATIC_CODECS, Codec
from dfd.bridges.media.g711 import mulaw_samples
from dfd.bridges.rtp.packets import RtpPacket
from dfd.bridges.rtp.server import RtpOptions, RtpServer
from dfd.clients import events as ev
from tests.bridges.kit import MemorySink, exchange_to, heard, logged, mulaw, voice
from tests.bridges.rtp.test_rtcp import description, packet, sender_report
from tests.clients.scripted import ScriptedServer
from tests.waiting import until


class Phone:
    """Sends RTP from its own port."""

    def __init__(self, port: int, ssrc: int = 0xABCD) -> None:
        self.port, self.ssrc = port, ssrc
        self.sequence, self.timestamp = 65530, 0xFFFFFF00
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def packet(self, payload: bytes, kind: int = 0, ticks: int | None = None) -> bytes:
        made = RtpPacket(kind, self.sequence, self.timestamp, self.ssrc, False, payload).encode()
        self.sequence = (self.sequence + 1) & 0xFFFF
        step = len(payload) if ticks is None else ticks
        self.timestamp = (self.timestamp + step) & 0xFFFFFFFF
        return made

    def packets(self, content: bytes, size: int = 160) -> list[bytes]:
        return [self.packet(content[at : at + size]) for at in range(0, len(content), size)]

    async def send(self, packets: list[bytes], port: int | None = None) -> None:
        for number, data in enumerate(packets):
            self.socket.sendto(data, ("127.0.0.1", port or self.port))
            # faster than real time, but slow enough that no buffer on the way is full
            await asyncio.sleep(0.001 if number % 10 == 0 else 0)

    def goodbye(self) -> bytes:
        return packet(203, 1, struct.pack(">I", self.ssrc))


@contextlib.asynccontextmanager
async def bridge(
    daemon: ScriptedServer, rtp: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Exchange, MemorySink, list[int]]]:
    async with exchange_to(daemon, **({"hold_seconds": 0.2} | options)) as (exchange, sink):
        server = RtpServer(exchange, RtpOptions(**(rtp or {})))
        bound = await server.start()
        try:
            yield exchange, sink, [port for _, port in bound]
        finally:
            await server.stop()


@pytest.fixture
def phones() -> Iterator[Any]:
    made: list[Phone] = []

    def make(port: int, **more: Any) -> Phone:
        made.append(Phone(port, **more))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()


def only_stream(daemon: ScriptedServer) -> bytes:
    (connection,) = daemon.connections
    return heard(daemon, connection.config.stream_id)


async def test_a_call_ends_with_its_goodbye(
    daemon: ScriptedServer, phones: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dfd")
    async with bridge(daemon) as (exchange, sink, (port,)):
        phone = phones(port)
        content = mulaw(voice(1.5))
        sent = phone.packets(content)
        await phone.send(sent[:40])
        report = sender_report(phone.ssrc, 40) + description(phone.ssrc, b"ann@phone")
        await phone.send([report], port + 1)
        await phone.send(sent[40:])
        await phone.send([phone.goodbye()], port + 1)
        await until(lambda: sink.of(ev.Summary))
        assert only_stream(daemon) == mulaw_samples(content).tobytes()
        labels = daemon.connections[0].config.labels
        assert labels["codec"] == "PCMU"
        assert labels["ssrc"] == "0000abcd"
        assert labels["port"] == str(port)
        assert exchange.metrics.get("calls_ended", "RTCP goodbye") == 1
        assert exchange.metrics.get("packets", "received") == len(sent)
        assert exchange.metrics.get("packets", "reported_sent") == 40
        assert "ann@phone" in [one.get("cname") for one in logged(caplog)]


async def test_the_time_line_survives_loss_reordering_and_duplicates(
    daemon: ScriptedServer, phones: Any
) -> None:
    async with bridge(daemon, idle_seconds=0.5) as (exchange, sink, (port,)):
        phone = phones(port)
        content = mulaw(voice(4.0))
        sent = phone.packets(content)
        draw = random.Random(5)
        lost = {number for number in range(2, len(sent) - 1) if draw.random() < 0.1}
        order = [number for number in range(len(sent)) if number not in lost]
        order += [number for number in order if draw.random() < 0.05]
        order.sort(key=lambda number: number + (draw.random() * 4 if number > 3 else 0))
        await phone.send([sent[number] for number in order])
        await until(lambda: sink.of(ev.Summary))
        expected = mulaw_samples(content).copy()
        for number in lost:
            expected[160 * number : 160 * (number + 1)] = 0
        np.testing.assert_array_equal(np.frombuffer(only_stream(daemon), "<i2"), expected)
        gap = exchange.metrics.get("gap_seconds", "network")
        assert gap == pytest.approx(0.02 * len(lost))
        assert exchange.metrics.get("packets", "lost") == len(lost)
        (summary,) = sink.of(ev.Summary)
        assert isinstance(summary, ev.Summary)
        assert summary.channels[0].gap_seconds == pytest.approx(0.02 * len(lost))


async def test_one_port_separates_calls(daemon: ScriptedServer, phones: Any) -> None:
    async with bridge(daemon) as (_, sink, (port,)):
        one, other, third = phones(port), phones(port), phones(port)
        third.socket.close()
        third.socket, third.ssrc = other.socket, 0x1111
        audio = {
            phone.ssrc if phone is not one else 1: mulaw(voice(0.6, seed=seed))
            for seed, phone in enumerate((one, other, third))
        }
        for phone, content in zip((one, other, third), audio.values(), strict=True):
            await phone.send(phone.packets(content))
        await until(lambda: len(daemon.connections) == 3)
        for phone in (one, other, third):
            await phone.send([phone.goodbye()], port + 1)
        await until(lambda: len(sink.of(ev.Summary)) == 3)
        lines = {heard(daemon, one.config.stream_id) for one in daemon.connections}
        assert lines == {mulaw_samples(content).tobytes() for content in audio.values()}


async def test_a_port_is_locked_to_its_first_source(daemon: ScriptedServer, phones: Any) -> None:
    first = free_port()
    async with bridge(daemon, {"ports": (first, first + 2)}) as (exchange, sink, ports):
        assert ports == [first, first + 2]
        phone, intruder = phones(first), phones(first)
        content = mulaw(voice(1.0))
        sent = phone.packets(content)
        await phone.send(sent[:25])
        await until(lambda: exchange.calls_active)
        await intruder.send(intruder.packets(mulaw(voice(0.5, seed=9))))
        await phone.send(sent[25:])
        await phone.send([phone.goodbye()], first + 1)
        await until(lambda: sink.of(ev.Summary))
        assert only_stream(daemon) == mulaw_samples(content).tobytes()
        assert exchange.metrics.get("packets", "foreign") == 25
        await intruder.send(intruder.packets(mulaw(voice(0.5, seed=9))))  # the port is free again
        await until(lambda: exchange.calls_active)


async def test_a_new_source_from_the_same_address_continues_the_call(
    daemon: ScriptedServer, phones: Any
) -> None:
    first = free_port()
    async with bridge(daemon, {"ports": (first,)}, hold_seconds=0.0) as (exchange, sink, _):
        phone = phones(first)
        await phone.send(phone.packets(mulaw(voice(0.5))))
        await until(lambda: exchange.calls_active)
        phone.ssrc = 5
        await phone.send(phone.packets(mulaw(voice(0.5))))
        await until(lambda: exchange.metrics.get("notes", "ssrc_change"))
        await phone.send([phone.goodbye()], first + 1)
        await until(lambda: sink.of(ev.Summary))
        assert len(daemon.connections) == 1
        assert exchange.metrics.get("calls") == 1


async def test_l16_in_stereo_is_two_channels(daemon: ScriptedServer, phones: Any) -> None:
    codecs = STATIC_CODECS | {96: Codec("L16", 16000, 2)}
    async with bridge(daemon, {"codecs": codecs}) as (_, sink, (port,)):
        phone = phones(port)
        samples = voice(1.0, 32000)
        wire = samples.astype(">i2").tobytes()
        sent = [phone.packet(wire[at : at + 1280], 96, 320) for at in range(0, len(wire), 1280)]
        await phone.send(sent)
        await phone.send([phone.goodbye()])  # on the same port (RFC 5761)
        await until(lambda: sink.of(ev.Summary))
        assert only_stream(daemon) == samples.tobytes()
        assert daemon.connections[0].config.audio_format.channel_count == 2


async def test_noise_on_the_port_does_not_start_a_call(
    daemon: ScriptedServer, phones: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridge(daemon) as (exchange, _, (port,)):
        phone = phones(port)
        draw = random.Random(1)
        await phone.send([draw.randbytes(draw.randrange(1, 60)) for _ in range(200)])
        await phone.send([RtpPacket(96, 1, 1, 1, False, b"x" * 99).encode()] * 3)
        await phone.send([bytes([0x80, 200, 0, 9]) + bytes(8)])
        await until(lambda: exchange.metrics.get("packets", "invalid_rtcp") > 0)
        await until(lambda: exchange.metrics.get("packets", "unknown_payload") > 0)
        assert exchange.calls_active == 0
        assert exchange.metrics.get("packets", "invalid") > 0
    assert "turned away" in caplog.text


async def test_a_flood_of_sources(daemon: ScriptedServer, phones: Any) -> None:
    async with bridge(daemon, max_calls=3) as (exchange, _, (port,)):
        phone = phones(port)
        for ssrc in range(2000):
            phone.ssrc = ssrc
            await phone.send([phone.packet(b"\xff" * 160)])
        assert exchange.calls_active == 0
        for ssrc in range(10):
            phone.ssrc = 10_000 + ssrc
            await phone.send(phone.packets(b"\xff" * 320))
        await until(lambda: exchange.metrics.get("refused", "full") == 7)
        assert exchange.calls_active == 3


async def test_a_flood_of_bytes_is_cut_off(daemon: ScriptedServer, phones: Any) -> None:
    async with bridge(daemon, max_bytes_per_second=8600) as (exchange, _, (port,)):
        phone = phones(port)
        await phone.send(phone.packets(b"\xff" * 160 * 600))
        await until(lambda: exchange.metrics.get("packets", "over_rate") > 100)


def free_port() -> int:
    """Returns an even port that is free together with its neighbours."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
            for probe in probes:
                stack.callback(probe.close)
            probes[0].bind(("127.0.0.1", 0))
            port = int(probes[0].getsockname()[1])
            if port % 2 == 0 and port < 65530:
                for step, probe in enumerate(probes[1:], 1):
                    probe.bind(("127.0.0.1", port + step))
                return port


async def test_a_port_in_use_is_reported(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port + 1))
        async with bridge(daemon, {"port": port}):
            assert "no RTCP" in caplog.text
        with pytest.raises(OSError, match="in use"):
            async with bridge(daemon, {"port": port + 1}):
                pass
