import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator

import numpy as np
import pytest

from dfd.bridges.audiosocket.messages import HANGUP_FRAME, Frame, FrameReader, Kind
from dfd.bridges.audiosocket.server import AudioSocketServer
from dfd.bridges.exchange import Exchange
from dfd.clients import events as ev
from tests.bridges.kit import MemorySink, exchange_to, heard, mulaw, voice
from tests.clients.scripted import ScriptedServer
from tests.waiting import until

RATES = [(0x10, 8000), (0x11, 12000), (0x12, 16000), (0x13, 24000), (0x14, 32000), (0x15, 44100)]


class Asterisk:
    """The other end, encoded by hand as Asterisk does it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.call = str(uuid.uuid4())

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.writer.write(Frame(kind, payload).encode())

    def hello(self) -> None:
        self.send(Kind.UUID, uuid.UUID(self.call).bytes)

    def talk(self, content: bytes, kind: int = 0x10, size: int = 320) -> None:
        for at in range(0, len(content), size):
            self.send(kind, content[at : at + size])

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 20)

    def close(self) -> None:
        self.writer.close()


@contextlib.asynccontextmanager
async def bridge(
    daemon: ScriptedServer, **options: object
) -> AsyncIterator[tuple[Exchange, MemorySink, int]]:
    async with exchange_to(daemon, **options) as (exchange, sink):
        server = AudioSocketServer(exchange)
        _, port = await server.start("127.0.0.1", 0)
        try:
            yield exchange, sink, port
        finally:
            await server.stop()


_dialled: list[Asterisk] = []


@pytest.fixture(autouse=True)
async def _hang_up() -> AsyncIterator[None]:
    yield
    for one in _dialled:
        one.writer.close()
        with contextlib.suppress(ConnectionError):
            await one.writer.wait_closed()
    _dialled.clear()


async def dial(port: int) -> Asterisk:
    _dialled.append(Asterisk(*await asyncio.open_connection("127.0.0.1", port)))
    return _dialled[-1]


@pytest.mark.parametrize(("kind", "rate"), RATES)
async def test_a_call_at_every_rate(daemon: ScriptedServer, kind: int, rate: int) -> None:
    async with bridge(daemon) as (exchange, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        audio = voice(1.3, rate).tobytes()
        asterisk.talk(audio, kind, rate // 50 * 2)
        asterisk.close()
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, asterisk.call) == audio
        config = daemon.connections[0].config
        assert config.audio_format.sample_rate_hertz == rate
        assert dict(config.labels) == {"call_uuid": asterisk.call}
        assert exchange.metrics.get("audio_seconds") == pytest.approx(1.3, abs=0.01)
        stream_id, _, more = sink.told[0]
        assert stream_id == more["call_id"] == asterisk.call
        assert more["protocol"] == "audiosocket"


@pytest.mark.parametrize(("kind", "rate"), [(0x16, 48000), (0x17, 96000), (0x18, 192000)])
async def test_rates_above_the_contracts_maximum_are_resampled(
    daemon: ScriptedServer, kind: int, rate: int
) -> None:
    async with bridge(daemon) as (_, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(voice(1.0, rate).tobytes(), kind, rate // 50 * 2)
        asterisk.send(Kind.HANGUP)
        await until(lambda: sink.of(ev.Summary))
        assert daemon.connections[0].config.audio_format.sample_rate_hertz == 48000
        assert len(heard(daemon, asterisk.call)) == pytest.approx(96000, abs=200)
        asterisk.close()


async def test_silence_is_sent_back_at_the_rate_of_the_call(daemon: ScriptedServer) -> None:
    async with bridge(daemon) as (_, _, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(bytes(640), 0x12, 640)
        frames: list[Frame] = []
        reader = FrameReader()
        reader.call_uuid = uuid.UUID(int=0)
        async with asyncio.timeout(20):
            while len(frames) < 10:
                frames += reader.feed(await asterisk.reader.read(4096))
        assert set(frames) == {Frame(0x12, bytes(640))}
        asterisk.close()


async def test_a_hang_up_frame_ends_the_call_at_once(daemon: ScriptedServer) -> None:
    async with bridge(daemon) as (exchange, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(voice(0.5).tobytes())
        asterisk.send(Kind.HANGUP)
        answer = await asterisk.rest()
        assert answer.endswith(HANGUP_FRAME)
        await until(lambda: sink.of(ev.Summary))
        assert exchange.metrics.get("calls_ended", "hang-up") == 1
        asterisk.close()


async def test_digits_are_counted_but_never_revealed(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dfd")
    async with bridge(daemon) as (exchange, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(bytes(320))
        asterisk.send(Kind.DTMF, b"7")
        asterisk.send(Kind.ERROR, b"\x01")
        await until(lambda: exchange.metrics.get("notes") == 2)
        assert exchange.metrics.get("notes", "dtmf") == 1
        asterisk.close()
        await until(lambda: sink.of(ev.Summary))
    assert "dtmf" not in caplog.text


async def test_mulaw_under_0x10_is_warned_about(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridge(daemon) as (exchange, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(mulaw(voice(3.0)), 0x10, 160)
        asterisk.close()
        await until(lambda: sink.of(ev.Summary))
        assert exchange.metrics.get("warnings", "MULAW_AS_SLIN") == 1
    assert "c(slin)" in caplog.text


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        bytes([1, 0, 16]) + bytes(16) + bytes([0x10, 0xFF, 0xFF]),
        bytes([1, 0, 16]) + bytes(16) + bytes([0x10, 0, 1, 0]),
        bytes([0x10, 1, 0x40]) + bytes(320),
        bytes([1, 0, 16]) + bytes(16) + bytes([0x77, 0, 1, 0]),
    ],
    ids=["magic", "oversized", "half a sample", "no uuid", "unknown type"],
)
async def test_bad_input_closes_one_connection(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async with bridge(daemon) as (exchange, sink, port):
        good, bad = await dial(port), await dial(port)
        good.hello()
        audio = voice(1.0).tobytes()
        good.talk(audio[:8000])
        bad.writer.write(data)
        with contextlib.suppress(ConnectionError):
            assert await bad.rest() == b""
        assert exchange.metrics.get("refused", "protocol") == 1
        good.talk(audio[8000:])
        good.close()
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, good.call) == audio
        bad.close()
    assert "turned away" in caplog.text


async def test_a_silent_connection_is_closed(daemon: ScriptedServer) -> None:
    async with bridge(daemon, handshake_seconds=0.1, idle_seconds=0.1) as (exchange, sink, port):
        mute, named = await dial(port), await dial(port)
        named.hello()
        named.talk(bytes(320))
        with contextlib.suppress(ConnectionError):
            await mute.rest()
        with contextlib.suppress(ConnectionError):
            await named.rest()
        assert exchange.metrics.get("refused", "handshake") == 1
        assert exchange.metrics.get("refused", "idle") == 1
        assert exchange.calls_active == 0
        await until(lambda: sink.of(ev.Summary))
        mute.close()
        named.close()


async def test_half_a_frame_at_the_end_is_reported(daemon: ScriptedServer) -> None:
    async with bridge(daemon) as (exchange, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(bytes(320))
        asterisk.writer.write(bytes([0x10, 1, 0x40]) + bytes(5))
        asterisk.close()
        await until(lambda: sink.of(ev.Summary))
        assert exchange.metrics.get("warnings", "HALF_FRAME") == 1


async def test_a_flood_of_connections_is_refused(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with bridge(daemon, max_calls=2) as (exchange, sink, port):
        calls = [await dial(port) for _ in range(2)]
        for call in calls:
            call.hello()
            call.talk(bytes(640))
        await until(lambda: len(daemon.connections) == 2)
        flood = await asyncio.gather(*(dial(port) for _ in range(60)))
        answers = await asyncio.gather(*(one.rest() for one in flood))
        assert set(answers) == {HANGUP_FRAME}
        assert exchange.metrics.get("refused", "full") == 60
        assert caplog.text.count("turned away") <= 25
        for one in (*calls, *flood):
            one.close()
        await until(lambda: len(sink.of(ev.Summary)) == 2)


async def test_a_flood_of_bytes_is_cut_off(daemon: ScriptedServer) -> None:
    async with bridge(daemon, max_bytes_per_second=16000) as (exchange, _, port):
        asterisk = await dial(port)
        asterisk.hello()
        with contextlib.suppress(ConnectionError):
            asterisk.talk(bytes(1_000_000))
            await asterisk.rest()
        await until(lambda: exchange.metrics.get("refused", "protocol") == 1)
        asterisk.close()


async def test_a_change_of_rate_starts_another_leg(daemon: ScriptedServer) -> None:
    async with bridge(daemon) as (_, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(bytes(3200), 0x10)
        asterisk.talk(bytes(6400), 0x12, 640)
        asterisk.close()
        await until(lambda: len(sink.of(ev.Summary)) == 2)
        assert len(heard(daemon, asterisk.call)) == 3200
        assert len(heard(daemon, f"{asterisk.call}-2")) == 6400


async def test_the_dialplan_continues_when_the_bridge_is_closed(daemon: ScriptedServer) -> None:
    async with bridge(daemon) as (_, sink, port):
        asterisk = await dial(port)
        asterisk.hello()
        asterisk.talk(voice(0.4).tobytes())
        await until(lambda: daemon.connections)
    assert (await asterisk.rest()).endswith(HANGUP_FRAME)
    assert np.frombuffer(heard(daemon, asterisk.call), "<i2").size == 3200
    assert sink.of(ev.Summary)
    asterisk.close()
