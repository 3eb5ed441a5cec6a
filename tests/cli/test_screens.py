"""The output of commands at 60, 80 and 140 columns, in a pipe, without colours, and in ASCII."""

import asyncio
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from rich.console import Console

from dfd.cli.main import cli
from dfd.clients import events as ev
from dfd.clients.display.live import ListenView, summary_lines
from dfd.clients.display.meter import MeterState
from dfd.messages import duration, from_message
from dfd.v1 import detection_pb2 as pb
from tests import snapshots
from tests.cli.detecting import speech
from tests.clients import said
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script
from tests.offline.loudness import LoudnessDetector

WIDTHS = (60, 80, 140)
KEPT = Path(__file__).parent / "snapshots"
_STYLE = re.compile(r"\x1b\[([\d;]*)m")
_COLOUR = re.compile(r"(^|;)(3[0-9]|4[0-9]|9[0-7]|10[0-7])(;|$)")
# the research terms are for JSON and research output
_FIELD = re.compile(r"spoof|bona ?fide", re.IGNORECASE)

# width (None for a pipe), encoding, whether it has colours -> the screen
Draw = Callable[[int | None, str, bool], str]


def screens(
    draw: Draw,
    *,
    research: bool = False,
    styled: bool = True,
    normalise: Callable[[str], str] = str,
) -> dict[str, str]:
    """Draws on every kind of terminal, and checks what is true on all of them."""
    drawn = {f"{width} columns": draw(width, "utf-8", True) for width in WIDTHS}
    drawn["a pipe"] = draw(None, "utf-8", True)
    drawn["80 columns, ASCII"] = draw(80, "ascii", True)
    plain = {name: normalise(_STYLE.sub("", screen)) for name, screen in drawn.items()}
    assert not styled or _STYLE.search(drawn["80 columns"]), (
        "no styles: it was not drawn as on a terminal"
    )
    assert "\x1b" not in drawn["a pipe"]
    assert drawn["80 columns, ASCII"].isascii()
    colourless = draw(80, "utf-8", False)
    assert not [one for one in _STYLE.findall(colourless) if _COLOUR.search(one)]
    assert normalise(_STYLE.sub("", colourless)) == plain["80 columns"]
    for width in WIDTHS:
        for line in plain[f"{width} columns"].splitlines():
            assert len(line.rstrip()) <= width, line
    for screen in plain.values():
        assert "…" not in screen
        if not research:
            assert not _FIELD.search(screen)
    return plain


def run(*words: str) -> Draw:
    """Returns the output of a command, with the variables that terminals set."""

    def draw(width: int | None, encoding: str, colours: bool) -> str:
        environment: dict[str, str | None] = {"COLUMNS": str(width or 80), "NO_COLOR": None}
        environment |= {"FORCE_COLOR": "1" if width else None, "TERM": "xterm-256color"}
        if not colours:
            environment["NO_COLOR"] = "1"
        done = CliRunner(charset=encoding, env=environment).invoke(cli, words)
        assert done.exit_code == 0, done.output
        return done.stdout

    return draw


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_detect(
    folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(
        "dfd.detector.load_detector", lambda model, **_: LoudnessDetector(min_speech_seconds=0.5)
    )
    spoken = speech(6.0)
    soundfile.write("loud.wav", spoken, 16000)
    soundfile.write("a-call-of-the-twelfth-of-november.wav", 0.02 * spoken, 16000)
    soundfile.write("silence.wav", np.zeros(32000, np.float32), 16000)
    names = sorted(path.name for path in folder.iterdir())
    snapshots.check(request, KEPT / "detect.txt", screens(run("detect", *names)))


async def test_replay(folder: Path, request: pytest.FixtureRequest) -> None:
    noise = np.random.default_rng(7).normal(0, 0.1, (32000, 2))
    soundfile.write("two-channels-of-one-call.wav", noise, 16000)
    soundfile.write("b.wav", noise[:, 0], 16000)
    async with ScriptedServer(Script(alert_after=1.0)) as server:
        files = ("two-channels-of-one-call.wav", "b.wav")
        draw = run("replay", *files, "--server", server.address, "--speed", "max", "--summary")
        drawn = await asyncio.to_thread(screens, draw, normalise=untimed)
    snapshots.check(request, KEPT / "replay.txt", drawn)


def untimed(screen: str) -> str:
    """Removes addresses, times and the widths that depend on them."""
    screen = re.sub(r"127\.0\.0\.1:\d+", "localhost:50051", screen)
    lines, timed = [], False
    for line in screen.splitlines():
        timed = timed or "Latency" in line
        if timed:
            line = re.sub(r"\d+\.\d", "#", re.sub(r"[─-]{3,}", "---", line))
            line = re.sub(r" {2,}", "  ", line)
        lines.append(line)
    return "\n".join(lines)


async def test_info(request: pytest.FixtureRequest) -> None:
    async with ScriptedServer() as server:
        draw = run("info", "--server", server.address)
        drawn = await asyncio.to_thread(screens, draw, normalise=untimed)
    snapshots.check(request, KEPT / "info.txt", drawn)


def test_evaluate(folder: Path, request: pytest.FixtureRequest) -> None:
    rng = np.random.default_rng(3)
    rows = [f"LA_E_{n} - bonafide {score:.4f}" for n, score in enumerate(rng.normal(0, 1, 60))]
    rows += [f"LA_E_{n + 60} A07 spoof {score:.4f}" for n, score in enumerate(rng.normal(2, 1, 60))]
    (folder / "scores.txt").write_text("\n".join(rows) + "\n")
    draw = run("evaluate", "--scores-in", "scores.txt")
    snapshots.check(request, KEPT / "evaluate.txt", screens(draw, research=True, styled=False))


def test_listen(request: pytest.FixtureRequest) -> None:
    """The view that the command draws, fed with events; test_listen.py tests the microphone."""
    snapshots.check(request, KEPT / "listen.txt", screens(meter))


def meter(width: int | None, encoding: str, colours: bool) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    terminal = width is not None
    console = Console(
        file=file, width=width or 80, force_terminal=terminal, no_color=not colours,
        color_system="standard" if terminal else None,
    )  # fmt: skip
    state = MeterState("localhost:50051", "Built-in Audio Analog Stereo")
    view = ListenView(console, state)
    heard: list[ev.Event] = [
        said.started(),
        said.activity(0, True, 0.1),
        said.window(ev.WindowStatus.INSUFFICIENT_SPEECH, None),
        *(said.window(ev.WindowStatus.SCORED, said.score(p, 1.0)) for p in (0.2, 0.6, 0.93)),
        said.alert(probability=0.93),
    ]
    for event in heard:
        view.event(event)
    state.elapsed_seconds, state.level = 12.0, -18.0
    if terminal:
        console.print(view.picture())
    summary = pb.ChannelSummary(
        verdict=pb.VERDICT_SPOOF,
        cumulative_score=said.score(0.93, 2.6),
        audio_duration=duration(12.0),
        speech_duration=duration(7.5),
        windows_scored=3,
    )
    ended = pb.StreamSummary.END_REASON_CLIENT_DONE
    whole = from_message(ev.Summary, pb.StreamSummary(channels=[summary], end_reason=ended))
    for line in summary_lines(whole, 0.0, state.rates):
        console.print(line, highlight=False, markup=False, soft_wrap=not terminal)
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)
