"""A hundred SIPREC sessions at once from sipp, both voices of each: what they cost the bridge.

    python -m tests.bridges.sip.load --calls 100 --seconds 120

The bridge has one core to itself as far as the machine allows (--core pins it there); sipp plays
a capture of two recorded voices into each call. The daemon is a stand-in that keeps the contract
and scores nothing, in a process of its own. Needs root, for sipp's raw socket. Prints JSON; the
exit status is 1 where a call was lost.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped, unused-ignore]
import soundfile

from tests.bridges.kit import Samples, mulaw, voice
from tests.bridges.rtp.test_server import free_port
from tests.bridges.sip import sipp
from tests.bridges.sip.kit import payloads
from tests.bridges.soak import BRIDGE, program

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")


def recorded(seconds: float) -> tuple[Samples, Samples]:
    """Returns two human voices, or substitutes if no recordings are installed."""
    files = sorted(LIBRIVOX.glob("*.wav")) if LIBRIVOX.is_dir() else []
    if not files:
        return voice(seconds, seed=1), voice(seconds, seed=2)
    whole = np.concatenate([soundfile.read(path, dtype="int16")[0][::2] for path in files])
    frames = round(seconds * 8000)
    line = np.resize(whole, frames).astype("<i2")
    return line, np.roll(line, frames // 2)


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        rows = answer.read().decode().splitlines()
    return {row.rpartition(" ")[0]: float(row.rpartition(" ")[2]) for row in rows if row[0] != "#"}


async def run(calls: int, seconds: float, core: int | None, folder: Path) -> dict[str, object]:
    """Plays calls for some time; returns the figures."""
    log, events, page = folder / "log", folder / "events.jsonl", free_port()
    first, second = recorded(seconds)
    sipp.two_voices(folder / "voices.pcap", payloads(mulaw(first)), payloads(mulaw(second)))
    file = sipp.scenario(
        folder / "call.xml",
        sipp.invite(),
        sipp.play(folder / "voices.pcap"),
        sipp.pause(round(1000 * seconds) + 1500),
        sipp.bye(2),
    )
    stand_in = (sys.executable, "-m", "tests.bridges.soak", "--serve-scripted")
    async with program(*stand_in, log=log) as (_, server):
        words = ("sip", "--listen", "127.0.0.1:0", "--server", server, "--media-ports")
        more = ("30000-34999", "--metrics", f"127.0.0.1:{page}", "--on-summary", f"file:{events}")
        async with program(*BRIDGE, *words, *more, log=log) as (bridge, address):
            watched = psutil.Process(bridge.pid)
            if core is not None:
                watched.cpu_affinity([core])
            command = (
                *("sipp", address, "-sf", file, "-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"),
                *("-p", free_port(), "-mp", "20000", "-m", calls, "-l", calls, "-r", "10"),
            )
            calling = await asyncio.create_subprocess_exec(
                *map(str, command),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )
            settled = calls / 10 + 5
            await asyncio.sleep(settled)  # until all calls have begun
            most = metrics(page)["dfd_bridge_calls_active"]
            began, busy = asyncio.get_running_loop().time(), sum(watched.cpu_times()[:2])
            memory = [watched.memory_info().rss / 2**20]
            while asyncio.get_running_loop().time() - began < seconds - settled - 5:
                await asyncio.sleep(2)  # how often to look
                memory.append(watched.memory_info().rss / 2**20)
            lasted = asyncio.get_running_loop().time() - began
            busy = sum(watched.cpu_times()[:2]) - busy
            status = await calling.wait()
            await asyncio.sleep(3)  # the last summaries
            counted = metrics(page)
            kept = [json.loads(row) for row in events.read_text().splitlines()]
    packets = {
        name.partition('fate="')[2].rstrip('"}'): value
        for name, value in counted.items()
        if name.startswith("dfd_bridge_packets_total{")
    }
    expected = 2 * calls * len(payloads(mulaw(first)))
    return {
        "calls": calls,
        "at_once": most,
        "seconds": round(seconds, 1),
        "sipp_status": status,
        "summaries": len(kept),
        "packets_sent": expected,
        "packets": packets,
        "audio_seconds": counted["dfd_bridge_audio_seconds_total"],
        "cpu_of_one_core": round(busy / lasted, 3),
        "memory_mib": {
            "begin": round(memory[0], 1),
            "most": round(max(memory), 1),
            "end": round(memory[-1], 1),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("sipp plays captures through a raw socket, which needs root")
    with tempfile.TemporaryDirectory(prefix="dfd-load-") as folder:
        figures = asyncio.run(run(options.calls, options.seconds, options.core, Path(folder)))
    print(json.dumps(figures))
    lost = figures["sipp_status"] != 0 or figures["summaries"] != options.calls
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
