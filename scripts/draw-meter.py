"""Draws docs/meter.svg: the meter of `dfd listen` with the answers of a real daemon.

`--record RECORDING...` streams recordings to a daemon, keeps its answers in docs/meter.jsonl and
draws the picture; without it, the current program draws the picture again from that file. A test
does the same, and checks that the model and its thresholds are still those of the bundled card:

dfd serve --port 50051 & python scripts/draw-meter.py --record RECORDING... --server localhost:50051
"""

import argparse
import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from rich.console import Console

from dfd.clients import AsyncDetectionClient, StreamOptions, VadOptions, open_recording
from dfd.clients.display.meter import MeterState, render
from dfd.clients.events import Summary
from dfd.clients.protocol import wire
from dfd.clients.protocol.messages import message_dict
from dfd.v1 import detection_pb2 as pb

DOCS = Path(__file__).resolve().parents[1] / "docs"
KEPT, PICTURE = DOCS / "meter.jsonl", DOCS / "meter.svg"
_CHUNK_SECONDS = 0.1
# the address in the README, whatever the real one was
_SHOWN = "localhost:50051"


async def record(recordings: list[Path], server: str) -> list[dict[str, Any]]:
    """Streams recordings of one rate in real time, one after the other; returns the answers."""
    state = MeterState(server=server, device="recording")
    lines: list[dict[str, Any]] = []
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
            if not isinstance(event, Summary) and hasattr(event, "proto"):
                name = type(event.proto).__name__
                lines.append({"is": name, "said": message_dict(event.proto)})
        await playing
    lines.append({"elapsed_seconds": round(state.elapsed_seconds, 1), "level": state.level})
    return lines


def state_of(lines: list[dict[str, Any]]) -> MeterState:
    """Returns the meter's state after all answers."""
    state = MeterState(server=_SHOWN, device="recording")
    fields = {one.message_type.name: name for name, one in _answers().items()}
    for line in lines:
        if "is" not in line:
            state.elapsed_seconds, state.level = line["elapsed_seconds"], line["level"]
            continue
        answer = ParseDict({fields[line["is"]]: line["said"]}, pb.StreamingDetectResponse())
        event = wire.event(answer)
        assert event is not None
        state.take(event)
    return state


def _answers() -> Any:
    return pb.StreamingDetectResponse.DESCRIPTOR.fields_by_name


def draw(state: MeterState) -> str:
    """Returns the picture as SVG."""
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(render(state))
    drawn = console.export_svg(title="dfd listen")
    # the picture must fetch nothing: every viewer has a monospaced font
    drawn = re.sub(r"\s*@font-face \{.*?\}|\s*<!--.*?-->", "", drawn, flags=re.DOTALL)
    return drawn.replace("Fira Code", "monospace") + "\n"


def kept() -> list[dict[str, Any]]:
    """Returns the daemon's answers in the last recording."""
    return [json.loads(line) for line in KEPT.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", nargs="+", type=Path, metavar="RECORDING")
    parser.add_argument("--server", default="localhost:50051")
    options = parser.parse_args()
    if options.record:
        lines = asyncio.run(record(options.record, options.server))
        KEPT.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    PICTURE.write_text(draw(state_of(kept())), encoding="utf-8")


if __name__ == "__main__":
    main()
