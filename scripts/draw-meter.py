"""Draws docs/meter.svg: the meter of `dfd listen`, fed by a running daemon.

dfd serve --port 50051 & python scripts/draw-meter.py RECORDING... --server localhost:50051
"""

import argparse
import asyncio
import io
import re
from pathlib import Path

from rich.console import Console

from dfd.clients import AsyncDetectionClient, StreamOptions, VadOptions, open_recording
from dfd.clients.display.meter import MeterState, render

_CHUNK_SECONDS = 0.1


async def listen(recordings: list[Path], server: str) -> MeterState:
    """Plays recordings of one rate, one after the other, into a stream at real-time pace."""
    state = MeterState(server=server, device="recording")
    opened = [open_recording(path) for path in recordings]
    options = StreamOptions(vad=VadOptions(activity_events=True))
    async with (
        AsyncDetectionClient(server) as client,
        client.stream(opened[0].audio_format, options=options) as stream,
    ):

        async def play() -> None:
            elapsed = 0.0
            for recording in opened:
                for chunk in recording.chunks(_CHUNK_SECONDS):
                    elapsed += _CHUNK_SECONDS
                    state.hear(chunk, elapsed)
                    await stream.send(chunk)
                    await asyncio.sleep(_CHUNK_SECONDS)
            await stream.finish()

        playing = asyncio.create_task(play())
        async for event in stream:
            state.take(event)
        await playing
    return state


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--server", default="localhost:50051")
    parser.add_argument("--output", type=Path, default=Path("docs/meter.svg"))
    options = parser.parse_args()
    state = asyncio.run(listen(options.recordings, options.server))
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(render(state))
    drawn = console.export_svg(title="dfd listen")
    # The picture fetches nothing: whoever looks at it has a monospaced font.
    drawn = re.sub(r"\s*@font-face \{.*?\}|\s*<!--.*?-->", "", drawn, flags=re.DOTALL)
    options.output.write_text(drawn.replace("Fira Code", "monospace") + "\n")


if __name__ == "__main__":
    main()
