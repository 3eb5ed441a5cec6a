"""Many calls at once, with the daemon killed and started again in the middle.

    python -m tests.bridges.soak --calls 100 --minutes 10

starts `dfd serve` and `dfd bridge audiosocket`, plays speech into so many AudioSocket calls in
real time, kills the daemon (SIGKILL) at half-time and starts it again, and then accounts for
every second of every call. The report is JSON; the exit status is 1 where something is amiss.
With `--daemon scripted` a stand-in that keeps the contract takes the daemon's place: the bridge
is then what is measured, on machines that cannot score so many calls.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

from tests.bridges.callers import FRAME_SECONDS, Caller, play
from tests.clients.command import DFD, clean
from tests.clients.scripted import ScriptedServer

# the bridge's command, whether or not `dfd` lists it
BRIDGE = (sys.executable, "-m", "dfd", "bridge")
RATE = 8000


@dataclass
class Soak:
    """The request, and its result."""

    calls: int = 100
    seconds: float = 600.0
    away_seconds: float = 5.0
    scripted: bool = False
    restart: bool = True
    faults: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    def want(self, good: object, fault: str) -> None:
        if not good:
            self.faults.append(fault)


@contextlib.asynccontextmanager
async def program(*words: str, log: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Runs a program until it is ready; yields it and the address that it prints."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *words, env=clean(), stdout=asyncio.subprocess.PIPE, stderr=file
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(180):
            line = (await process.stdout.readline()).decode()
        assert " ready on " in line, f"{words} did not start: see {log}"
        yield process, line.partition(" ready on ")[2].split()[0].rstrip(",")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(60):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def watch(process: psutil.Process, memory: list[float], every: float) -> None:
    while True:
        memory.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(every)  # how often to look


async def run(soak: Soak, folder: Path) -> None:
    """Runs everything; faults and figures go into `soak`."""
    events, log = folder / "events.jsonl", folder / "log"
    serve: tuple[str, ...] = (
        *DFD,
        "serve",
        "--no-metrics",
        "--log-level",
        "warning",
        "--max-streams",
        "1000",
    )
    if soak.scripted:
        serve = (sys.executable, "-m", "tests.bridges.soak", "--serve-scripted")
    async with contextlib.AsyncExitStack() as stack:
        daemon = contextlib.AsyncExitStack()
        stack.push_async_callback(daemon.aclose)
        served, address = await daemon.enter_async_context(program(*serve, "--port", "0", log=log))
        bridge, where = await stack.enter_async_context(
            program(
                *BRIDGE, "audiosocket", "--listen", "127.0.0.1:0", "--server", address,
                "--events", str(events), "--metrics", "127.0.0.1:0", "--buffer-seconds", "60",
                log=log,
            )
        )  # fmt: skip
        host, _, port = where.rpartition(":")
        watched = psutil.Process(bridge.pid)
        loop = asyncio.get_running_loop()
        callers = [
            (await loop.create_connection(Caller, host, int(port)))[1] for _ in range(soak.calls)
        ]
        memory: list[float] = []
        sampler = asyncio.create_task(watch(watched, memory, max(0.5, soak.seconds / 120)))
        began, cpu = time.monotonic(), sum(watched.cpu_times()[:2])
        player = asyncio.create_task(play(callers, soak.seconds))
        if soak.restart:
            await asyncio.sleep(soak.seconds / 2)  # the calls go on meanwhile
            os.kill(served.pid, signal.SIGKILL)
            await daemon.aclose()
            killed = time.monotonic()
            await asyncio.sleep(soak.away_seconds)  # the daemon is away for so long
            port_again = address.rpartition(":")[2]
            await daemon.enter_async_context(program(*serve, "--port", port_again, log=log))
            soak.report["daemon_away_seconds"] = round(time.monotonic() - killed, 1)
        await player
        elapsed = time.monotonic() - began
        busy = sum(watched.cpu_times()[:2]) - cpu
        sampler.cancel()
        soak.want(not any(one.dropped for one in callers), "a call was dropped")
        metrics = await asyncio.to_thread(scrape, log)
        for one in callers:
            one.hang_up()
        await asyncio.to_thread(finished, events, soak.calls)
        soak.report |= {
            "calls": soak.calls,
            "seconds": round(elapsed, 1),
            "bridge_cpu_of_one_core": round(busy / elapsed, 3),
            "memory_mib": {
                "after_a_tenth": round(memory[len(memory) // 10], 1),
                "at_half": round(memory[len(memory) // 2], 1),
                "highest": round(max(memory), 1),
                "at_the_end": round(memory[-1], 1),
            },
            "silence_sent_back_seconds": [
                round(edge(one.heard_bytes for one in callers) / 323 * FRAME_SECONDS, 1)
                for edge in (min, max)
            ],
            "metrics": metrics,
        }
    account(soak, callers, events)


def finished(events: Path, calls: int) -> None:
    """Waits until every call has its summary, or no more arrive."""
    for _ in range(150):
        if events.read_text().count('"summary"') >= calls:
            return
        time.sleep(0.2)  # nothing announces the last line


def scrape(log: Path) -> dict[str, float]:
    """Returns the bridge's own metrics that are not zero."""
    found = re.search(r"http://127\.0\.0\.1:\d+/metrics", log.read_text())
    assert found is not None
    url = found[0]
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if line.startswith("dfd_bridge_"))
    values = {name: round(float(value), 2) for name, _, value in pairs if "_created" not in name}
    return {name: value for name, value in values.items() if value}


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def account(soak: Soak, callers: list[Caller], events: Path) -> None:
    """Checks that each summary covers the whole time line, and that each gap was reported."""
    told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in events.read_text().splitlines():
        event = json.loads(line)
        told[event["stream_id"]].append(event)
    total_lost, worst = 0.0, 0.0
    windows: defaultdict[str, int] = defaultdict(int)
    for caller in callers:
        mine = told[caller.name]
        summaries = [event["summary"] for event in mine if "summary" in event]
        soak.want(summaries, f"{caller.name} has no summary")
        if not summaries:
            continue
        (channel,) = summaries[-1]["channels"]
        length = caller.sent_frames * FRAME_SECONDS
        off = seconds(channel["audio_duration"]) - length
        worst = max(worst, abs(off))
        soak.want(abs(off) < 0.02, f"{caller.name} is {off:+.3f} s off its {length:.2f} s")
        again = [event["reconnected"] for event in mine if "reconnected" in event]
        soak.want(len(again) >= soak.restart, f"{caller.name} never reached the daemon again")
        lost = sum(
            seconds(event[kind]["lost_duration"])
            for event in mine
            for kind in ("reconnected", "audio_lost")
            if kind in event
        )
        total_lost += lost
        # A daemon that starts in the middle sees everything before as a gap; the rest was reported.
        begun = seconds(again[-1]["offset"]) if again else 0.0
        gap = seconds(channel["gap_duration"])
        soak.want(
            min(abs(gap - begun), abs(gap - begun - lost)) < 0.02,
            f"{caller.name}: {gap:.2f} s of gap, {begun:.2f} s before it, {lost:.2f} s told",
        )
        for event in mine:
            if "window" in event:
                windows[event["window"]["status"].removeprefix("STATUS_").lower()] += 1
    memory = soak.report["memory_mib"]
    growth = memory["at_the_end"] - memory["after_a_tenth"]
    soak.want(growth < max(20.0, 0.15 * memory["after_a_tenth"]), f"memory grew by {growth} MiB")
    soak.report |= {
        "worst_time_line_error_seconds": round(worst, 4),
        "lost_seconds_told": round(total_lost, 2),
        "windows": dict(windows),
        "faults": soak.faults[:20],
    }


async def stand_in(port: int) -> None:
    """Runs a daemon in its own process that scores nothing."""
    server = ScriptedServer()
    server.port = port
    async with server:
        print(f"stand-in ready on {server.address}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--no-restart", action="store_true")
    parser.add_argument("--daemon", choices=["real", "scripted"], default="real")
    parser.add_argument("--serve-scripted", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_scripted:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(stand_in(options.port))
        return
    soak = Soak(
        options.calls,
        options.minutes * 60,
        scripted=options.daemon == "scripted",
        restart=not options.no_restart,
    )
    with tempfile.TemporaryDirectory(prefix="dfd-soak-") as folder:
        asyncio.run(run(soak, Path(folder)))
    print(json.dumps(soak.report, indent=2))
    sys.exit(1 if soak.faults else 0)


if __name__ == "__main__":
    main()
