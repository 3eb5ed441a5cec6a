"""Measures the CPU and memory that calls cost a bridge, by protocol.

    python -m tests.bridges.load --protocol rtp --calls 100 --seconds 30

The daemon is a stand-in that keeps the contract and scores nothing; callers, bridge and
stand-in are three processes. Prints JSON.
"""

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
from websockets.asyncio.client import ClientConnection, connect

from dfd.bridges.rtp.packets import RtpPacket
from tests.bridges.kit import mulaw, voice
from tests.bridges.media.test_codecs import encoded
from tests.bridges.soak import BRIDGE, program
from tests.bridges.websocket import test_twilio as twilio

TICK = 0.02
Send = Callable[[int], Awaitable[None]]


async def rtp_callers(address: str, calls: int, payload_type: int) -> Send:
    """Sends RTP of PCMU (0) or Opus (97), 20 ms per packet."""
    host, _, port = address.rpartition(":")
    if payload_type == 97:
        payloads, ticks = encoded("libopus", voice(10.0, 48000), 48000, 960), 960
    else:
        content = mulaw(voice(10.0))
        payloads, ticks = [content[at : at + 160] for at in range(0, len(content), 160)], 160
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(calls)]
    for one in sockets:
        one.connect((host, int(port)))

    async def send(number: int) -> None:
        payload = payloads[number % len(payloads)]
        for call, one in enumerate(sockets):
            packet = RtpPacket(payload_type, number, number * ticks, call, False, payload)
            one.send(packet.encode())

    return send


async def twilio_callers(address: str, calls: int) -> Send:
    """Sends Twilio's stream of both tracks, 20 ms per message."""
    peers: list[ClientConnection] = []
    for call in range(calls):
        peers.append(await connect(f"ws://{address}/", compression=None))
        await peers[-1].send(twilio.start(callSid=f"CA{call}"))
    content = mulaw(voice(1.0))

    async def send(number: int) -> None:
        at = number * 160 % len(content)
        for track in ("inbound", "outbound"):
            message = twilio.media(content[at : at + 160], number * 20, track)
            for one in peers:
                await one.send(message)

    return send


async def run(protocol: str, calls: int, seconds: float, folder: Path) -> dict[str, object]:
    """Plays calls for some time; returns the figures."""
    log = folder / "log"
    stand_in = (sys.executable, "-m", "tests.bridges.soak", "--serve-scripted")
    verb: tuple[str, ...] = ("rtp", "--payload", "97=opus/48000")
    if protocol == "twilio":
        verb = ("websocket", "--dialect", "twilio")
    async with program(*stand_in, log=log) as (_, server):
        words = (*verb, "--listen", "127.0.0.1:0", "--server", server, "--idle-seconds", "5")
        async with program(*BRIDGE, *words, log=log) as (bridge, address):
            if protocol == "twilio":
                send = await twilio_callers(address, calls)
            else:
                send = await rtp_callers(address, calls, 97 if protocol == "opus" else 0)
            watched = psutil.Process(bridge.pid)
            busy, began = 0.0, time.monotonic()
            warm = round(3 / TICK)
            for number in range(round(seconds / TICK)):
                if number == warm:
                    busy, since = sum(watched.cpu_times()[:2]), time.monotonic()
                # in real time
                await asyncio.sleep(max(0.0, began + number * TICK - time.monotonic()))
                await send(number)
            lasted = time.monotonic() - since
            busy = sum(watched.cpu_times()[:2]) - busy
            return {
                "protocol": protocol,
                "calls": calls,
                "seconds": round(lasted, 1),
                "behind_seconds": round(time.monotonic() - began - seconds, 2),
                "cpu_of_one_core": round(busy / lasted, 3),
                "memory_mib": round(watched.memory_info().rss / 2**20, 1),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", choices=["rtp", "opus", "twilio"], default="rtp")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dfd-load-") as folder:
        figures = asyncio.run(run(options.protocol, options.calls, options.seconds, Path(folder)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
