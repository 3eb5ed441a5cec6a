"""A rolling restart on one port, and systemd's notifications."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
from pathlib import Path

import pytest

from dfd.clients import AsyncDetectionClient, events
from tests.chaos.daemon import RATE, Daemon, served
from tests.waiting import paced

SECOND = b"\x00\x08\x00\xf8" * (RATE // 2)


async def call(port: int, seconds: float, until: asyncio.Event | None = None) -> list[events.Event]:
    """A call in real time by the public client, on its own connection.

    Args:
        port: that of the daemon.
        seconds: how long it lasts.
        until: it lasts longer if this has not happened yet.
    """
    async with AsyncDetectionClient(f"127.0.0.1:{port}") as client, client.stream() as stream:

        async def talk() -> None:
            tenth = SECOND[: len(SECOND) // 10]
            async for number in paced(itertools.count(1), 0.1):
                await stream.send(tenth)
                if number >= seconds * 10 and (until is None or until.is_set()):
                    break
            await stream.finish()

        talking = asyncio.create_task(talk())
        told = [event async for event in stream]
        await talking
    return told


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "two workers"])
async def test_no_stream_is_lost_in_a_handover(more: tuple[str, ...]) -> None:
    options = ("--handover", "--grace-seconds", "5", *more)
    with Daemon(*options) as old:
        port = old.port
        ended = asyncio.Event()
        calls = [asyncio.create_task(call(port, 1.0 + n)) for n in range(8)]
        # these outlast the old daemon, however long the new one takes to start
        calls += [asyncio.create_task(call(port, 1.0, ended)) for _ in range(2)]

        async def begin(count: int, seconds: float) -> None:
            new = [seconds] * count
            calls.extend([asyncio.create_task(call(port, n)) async for n in paced(new, 0.1)])

        await asyncio.to_thread(old.until, lambda: old.figure("dfd_streams_active") == 10)
        with Daemon(*options, "--port", str(port)) as new:
            await begin(4, 3.0)
            old.process.send_signal(signal.SIGTERM)
            await begin(30, 2.0)  # some while the old daemon drains
            assert await asyncio.to_thread(old.process.wait, 30) == 0
            ended.set()
            told = await asyncio.gather(*calls)
            ends = [end for one in told if isinstance(end := one[-1], events.Summary)]
            assert len(ends) == len(told)
            assert {end.end_reason for end in ends} == {events.EndReason.CLIENT_DONE}
            # those that outlasted the old daemon continued at the new one
            lost = [e for one in told for e in one if isinstance(e, events.ConnectionLost)]
            assert lost
            assert await asyncio.to_thread(served, new)


def test_systemd_is_notified(tmp_path: Path) -> None:
    path, fault = tmp_path / "notify", tmp_path / "fault"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)

        def until(word: str) -> None:
            while word not in manager.recv(1000).decode().split("\n"):
                pass

        environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "300000"}
        limits = ("--deadline-seconds", "1")
        with Daemon(*limits, environment=environment, fault=fault) as daemon:
            until("READY=1")
            until("WATCHDOG=1")
            os.kill(daemon.process.pid, signal.SIGHUP)
            until("RELOADING=1")
            until("READY=1")
            fault.write_text("fails")
            served(daemon)  # windows that hit the fault
            daemon.until(lambda: daemon.figure("dfd_ready") == 0)
            manager.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while manager.recv(1000):
                    pass
            manager.settimeout(1.0)  # ten times as long as it normally takes
            with pytest.raises(TimeoutError):
                manager.recv(1000)
            manager.settimeout(20)
            fault.unlink()
            until("WATCHDOG=1")
            daemon.process.send_signal(signal.SIGTERM)
            until("STOPPING=1")
