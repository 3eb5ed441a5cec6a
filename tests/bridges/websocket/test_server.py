import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from dfd.bridges.calls import CallEvent
from dfd.bridges.exchange import Exchange
from dfd.bridges.websocket.server import WebsocketOptions, WebsocketServer
from dfd.bridges.websocket.twilio import signature
from dfd.clients import events as ev
from tests.bridges.kit import MemorySink, exchange_to, heard, logged, mulaw, voice
from tests.bridges.websocket import test_twilio as tw
from tests.bridges.websocket.test_audiohook import Genesys
from tests.bridges.websocket.test_chan_websocket import JSON as CHAN_JSON
from tests.bridges.websocket.test_forked import JAMBONZ
from tests.clients.scripted import ScriptedServer
from tests.waiting import until

Bridge = tuple[Exchange, MemorySink, str]


@contextlib.asynccontextmanager
async def bridge(
    daemon: ScriptedServer, dialect: str, chosen: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Bridge]:
    async with exchange_to(daemon, **options) as (exchange, sink):
        server = WebsocketServer(exchange, WebsocketOptions(dialect=dialect, **(chosen or {})))
        _, port = await server.start()
        try:
            yield exchange, sink, f"ws://127.0.0.1:{port}"
        finally:
            await server.stop()


async def rest(peer: ClientConnection) -> int | None:
    """Reads until the bridge closes; returns its code."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await peer.recv()
    return peer.close_code


async def test_twilio(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "twilio") as (_, sink, url):
        async with connect(f"{url}/media?campaign=7") as peer:
            await peer.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await peer.send(tw.start())
            caller, agent = mulaw(voice(1.5)), mulaw(voice(1.5, seed=2))
            for at in range(0, len(caller), 160):
                ms = at // 8
                await peer.send(tw.media(caller[at : at + 160], ms))
                await peer.send(tw.media(agent[at : at + 160], ms, "outbound"))
            await peer.send('{"event":"stop"}')
            assert await rest(peer) == 1000
        await until(lambda: sink.of(ev.Summary))
        line = heard(daemon, "CA1")
        assert (line[::2], line[1::2]) == (caller, agent)
        config = daemon.connections[0].config
        assert config.labels["campaign"] == "7"
        assert config.audio_format.channel_count == 2


@pytest.mark.parametrize(
    ("dialect", "subprotocol", "first", "call", "channels", "rate"),
    [
        ("chan_websocket", "media", CHAN_JSON, "1755.3", 1, 16000),
        ("mod_audio_fork", "audiostream.drachtio.org", '{"callid":"f1"}', "f1", 2, 16000),
        ("mod_audio_stream", None, '{"uuid":"s1"}', "s1", 2, 16000),
        ("jambonz", "audio.jambonz.org", json.dumps(JAMBONZ), "c0ffee", 2, 16000),
    ],
)
async def test_binary_dialects(
    daemon: ScriptedServer,
    dialect: str,
    subprotocol: str | None,
    first: str,
    call: str,
    channels: int,
    rate: int,
) -> None:
    offered = None if subprotocol is None else [Subprotocol("x"), Subprotocol(subprotocol)]
    async with bridge(daemon, dialect, {"rate_hz": 8000}) as (_, sink, url):
        address = f"{url}/?rate=16000&mix=stereo"
        async with connect(address, subprotocols=offered) as peer:
            assert peer.subprotocol == subprotocol
            await peer.send(first)
            audio = voice(1.2, rate * channels).tobytes()
            for at in range(0, len(audio), 640 * channels):
                await peer.send(audio[at : at + 640 * channels])
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, call) == audio
        declared = daemon.connections[0].config.audio_format
        assert (declared.sample_rate_hertz, declared.channel_count) == (rate, channels)


async def test_audiohook(daemon: ScriptedServer) -> None:
    genesys = Genesys()
    said: list[str] = []

    def keep(message: str | bytes) -> list[CallEvent]:
        said.append(str(message))
        return []

    genesys.hook.receive = keep  # type: ignore[method-assign]
    async with bridge(daemon, "audiohook", {"api_key": "k-1"}) as (_, sink, url):
        with pytest.raises(InvalidStatus):
            await connect(url)
        async with connect(url, additional_headers={"X-API-KEY": "k-1"}) as peer:
            genesys.open()
            await peer.send(said.pop())
            assert json.loads(await peer.recv())["type"] == "opened"
            audio = mulaw(voice(1.2, 16000))
            for at in range(0, len(audio), 3200):
                await peer.send(audio[at : at + 3200])
            genesys.say("ping")
            await peer.send(said.pop())
            assert json.loads(await peer.recv())["type"] == "pong"
            genesys.say("close", reason="end")
            await peer.send(said.pop())
            assert json.loads(await peer.recv())["type"] == "closed"
        await until(lambda: sink.of(ev.Summary))
        assert heard(daemon, "conv-1") == audio


async def test_twilios_signature_is_required_if_a_token_is_set(daemon: ScriptedServer) -> None:
    chosen = {"twilio_token": "secret", "public_urls": ("wss://bridge.example/media",)}
    async with bridge(daemon, "twilio", chosen) as (exchange, _, url):
        for given in ("", signature("wrong", "wss://bridge.example/media")):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(url, additional_headers={"X-Twilio-Signature": given})
        right = signature("secret", "wss://bridge.example/media?a=1")
        async with connect(f"{url}/?a=1", additional_headers={"X-Twilio-Signature": right}):
            pass
        assert exchange.metrics.get("refused", "unauthorized") == 2


async def test_the_signature_of_an_unchanged_url(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "twilio", {"twilio_token": "secret"}) as (_, _, url):
        right = signature("secret", url.replace("ws://", "wss://") + "/m?x=1")
        async with connect(f"{url}/m?x=1", additional_headers={"X-Twilio-Signature": right}):
            pass


async def test_a_user_and_password(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "jambonz", {"basic_auth": "me:pw"}) as (_, _, url):
        for wrong in ("ws://", "ws://me:no@"):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(url.replace("ws://", wrong))
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url, additional_headers={"Authorization": "Basic %%%"})
        async with connect(url.replace("ws://", "ws://me:pw@")):
            pass


@pytest.mark.parametrize(
    "chosen", [{"basic_auth": "me:pw"}, {"api_key": "k"}, {"twilio_token": "t"}, {}]
)
@pytest.mark.parametrize(
    "odd",
    [
        b"Authorization: Basic bWU6cHc=\r\nAuthorization: Basic bWU6cHc=\r\n",
        b"X-API-KEY: k\r\nX-API-KEY: k\r\n",
        b"X-API-KEY: \xff\r\n",
        b"X-Twilio-Signature: a\r\nX-Twilio-Signature: b\r\n",
        b"Host: a\r\n",
    ],
    ids=["Authorization", "key", "bytes", "signature", "Host"],
)
async def test_odd_headers_are_refused_without_an_internal_error(
    daemon: ScriptedServer, chosen: dict[str, str], odd: bytes
) -> None:
    async with bridge(daemon, "jambonz", chosen) as (_, _, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        )
        writer.write(odd + b"\r\n")
        async with asyncio.timeout(20):
            status = (await reader.readline()).split()[1]
        writer.close()
    assert status == (b"403" if chosen else b"101")


async def test_an_endless_query_does_not_occupy_a_slot(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "jambonz", max_calls=1) as (_, _, url):
        for _ in range(3):
            async with connect(url + "/?" + "&".join(f"a{n}=1" for n in range(65))) as peer:
                assert await rest(peer) == 1008
        async with connect(url) as peer:
            await peer.send(json.dumps(JAMBONZ))
            await peer.send(bytes(1280))
            assert peer.close_code is None


@pytest.mark.parametrize(
    "bad",
    [
        "no json",
        '{"event":"media","media":{"payload":"%%"}}',
        b"\0" * 10,
        "[" * 50_000,
        "x" * 300_000,
    ],
    ids=["no json", "no base64", "binary", "deep json", "oversized"],
)
async def test_bad_input_closes_one_connection(
    daemon: ScriptedServer, caplog: pytest.LogCaptureFixture, bad: str | bytes
) -> None:
    async with bridge(daemon, "twilio") as (_, sink, url):
        async with connect(url) as good, connect(url) as peer:
            await good.send(tw.start(("inbound",)))
            await good.send(tw.media(b"a" * 160, 0))
            await peer.send(tw.start(("inbound",), callSid="CA2"))
            await peer.send(bad)
            assert await rest(peer) in (1002, 1009)
            await good.send(tw.media(b"b" * 160, 20))
            await good.send('{"event":"stop"}')
            assert await rest(good) == 1000
        await until(lambda: len(sink.of(ev.Summary)) == 2)
        assert heard(daemon, "CA1") == b"a" * 160 + b"b" * 160
    assert any("CA2" in str(one.get("source")) for one in logged(caplog))


async def test_a_full_bridge(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "jambonz", max_calls=1) as (exchange, _, url):
        async with connect(url), connect(url) as second:
            assert await rest(second) == 1013
            assert exchange.calls_active == 1
        assert exchange.metrics.get("refused", "full") == 1
        await until(lambda: exchange.calls_active == 0)


async def test_a_silent_connection_ends(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "jambonz", handshake_seconds=0.1, idle_seconds=0.2) as found:
        exchange, sink, url = found
        async with connect(url) as mute, connect(url) as stopped:
            await stopped.send(json.dumps(JAMBONZ))
            assert await rest(mute) == 1008
            assert await rest(stopped) == 1008
        await until(lambda: exchange.metrics.get("refused", "idle") == 2)
        await until(lambda: sink.of(ev.Summary))


async def test_a_flood_of_bytes(daemon: ScriptedServer) -> None:
    async with bridge(daemon, "jambonz", max_bytes_per_second=16000) as (exchange, _, url):
        async with connect(url) as peer:
            await peer.send(json.dumps(JAMBONZ))
            with contextlib.suppress(ConnectionClosed):
                for _ in range(100):
                    await peer.send(bytes(12800))
            assert await rest(peer) == 1002
        assert exchange.metrics.get("refused", "protocol") == 1


async def test_a_slow_daemon_never_blocks_the_reader(daemon: ScriptedServer) -> None:
    """The daemon takes a second for every message: all audio is read, and losses are reported."""
    daemon.script.read_delay = 1.0
    async with bridge(daemon, "jambonz", buffer_seconds=2.0, drain_seconds=1.0) as found:
        exchange, _, url = found
        async with connect(url) as peer:
            await peer.send(json.dumps(JAMBONZ))
            for _ in range(1000):
                await peer.send(bytes(1280))
        await until(lambda: exchange.calls_active == 0)
        assert exchange.metrics.get("audio_seconds") == pytest.approx(20.0, abs=0.01)
