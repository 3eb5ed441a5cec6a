import io

import numpy as np
import pytest
from rich.console import Console

from dfd.clients import events as ev
from dfd.clients.display.meter import MeterState, level_dbfs, render
from dfd.clients.server_info import ErrorRates
from tests.clients import said

SCORE = said.score(0.98, 4.0, 3.0)
ALERT = said.alert(probability=0.98)


def shown(state: MeterState, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render(state, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [54, 60, 80, 140])
def test_no_figure_is_cut_at_any_width(width: int) -> None:
    state = MeterState("localhost:1", "mic")
    state.take(said.window(ev.WindowStatus.SCORED, SCORE))
    state.take(ALERT)
    text = shown(state, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert text.count("0.980") == 3
    for word in ("whole stream", "no speech", "human", "synthetic", "ALERT", "Ctrl-C"):
        assert word in text
    assert "…" not in text


def test_level() -> None:
    assert level_dbfs(b"") == level_dbfs(bytes(200)) == -100
    square = np.tile([16384, -16384], 100).astype("<i2").tobytes()
    assert level_dbfs(square) == pytest.approx(-6.02, abs=0.01)
    state = MeterState("s", "mic")
    state.hear(square, 1.0)
    state.hear(bytes(200), 2.0)
    assert state.level == pytest.approx(-8.02, abs=0.01)  # the needle falls slowly


def test_the_display_before_there_is_evidence() -> None:
    state = MeterState("localhost:1", "mic")
    assert "Cannot tell yet" in shown(state)
    state.take(said.window(ev.WindowStatus.INSUFFICIENT_SPEECH, None))
    assert "speak for a few seconds" in shown(state)
    state.take(said.window(ev.WindowStatus.SHED, None))
    assert "too busy" in shown(state)


def test_evidence_and_alerts() -> None:
    state = MeterState("localhost:1", "mic")
    state.rates, state.spoof_threshold = ErrorRates(0.85, 0.007, 0.6, 4.0), 0.85
    state.take(said.activity(0, True, 0.1))
    state.take(said.window(ev.WindowStatus.SCORED, SCORE))
    state.take(ALERT)
    screen = shown(state)
    for word in ("● speech", "0.980", "Probably synthetic", "ALERT: rolling"):
        assert word in screen
    state.take(said.alert(seconds=9.0, probability=0.98, cleared=True))
    state.take(said.activity(0, False, 9.0))
    screen = shown(state)
    assert "ALERT" not in screen
    assert "○ no speech" in screen
    assert state.alerts == 1


def test_a_lost_connection_is_never_hidden() -> None:
    state = MeterState("localhost:1", "mic")
    state.take(ALERT)
    state.take(ev.ConnectionLost("UNAVAILABLE", "", "gone", 0.2, None))
    screen = shown(state)
    assert "no server at localhost:1" in screen
    assert "reconnecting" in screen
    assert "ALERT" not in screen  # the evidence is lost with the server
    state.take(ev.Reconnected(9.0, 1.5, 2))
    state.take(ev.AudioLost(12.0, 0.5))
    assert "2.0 s lost" in shown(state)


def test_the_time_line_is_bounded() -> None:
    state = MeterState("s", "mic")
    for _ in range(1000):
        state.take(said.window(ev.WindowStatus.SCORED, SCORE))
    assert len(state.history) <= 120
    assert all(len(line) <= 80 for line in shown(state).splitlines())
