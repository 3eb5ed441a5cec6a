from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients.protocol import wire
from dfd.clients.runs.replay import Replay
from dfd.clients.sources.recording import Recording, open_recording
from dfd.errors import UserError
from dfd.messages import duration
from dfd.v1 import detection_pb2 as pb
from tests.clients import said

plot = pytest.importorskip(
    "dfd.clients.display.plot", reason="matplotlib is not installed: pip install 'dfd[plot]'"
)


@pytest.fixture(params=["PCM_16", "FLOAT"])
def recording(tmp_path: Path, request: pytest.FixtureRequest) -> Recording:
    path = tmp_path / "call.wav"
    ramp = np.linspace(0.0, 0.5, 16_000)
    soundfile.write(path, np.stack([ramp, -ramp], axis=1), 8_000, subtype=request.param)
    return open_recording(path)


def test_the_envelope_follows_the_audio_of_its_channel(recording: Recording) -> None:
    seconds, lowest, highest = plot.envelope(recording, 1)
    assert seconds[-1] == pytest.approx(2.0)
    assert 1_000 < len(seconds) == len(lowest) == len(highest) < 1_400
    assert lowest[-1] == pytest.approx(-0.5, abs=1e-3)
    assert highest.max() <= 0.0
    assert (np.diff(lowest) <= 0).all()


def test_each_channel_has_its_own_spans_of_speech(recording: Recording) -> None:
    replay = Replay(0, recording, sent_seconds=2.0)
    replay.activity = [
        said.activity(0, True, 0.2),
        said.activity(1, True, 0.3),
        said.activity(0, False, 0.8),
        said.activity(0, True, 1.5),
    ]
    assert plot.speech_spans(replay, 0) == [(0.2, 0.8), (1.5, 2.0)]
    assert plot.speech_spans(replay, 1) == [(0.3, 2.0)]


def test_without_results_there_is_nothing_to_draw(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to plot"):
        plot.draw([Replay(0, recording)], tmp_path / "plot.png")


@pytest.fixture
def judged(recording: Recording) -> Replay:
    """Three windows with equal rolling and cumulative scores."""
    replay = Replay(0, recording, sent_seconds=2.0)
    replay.started = said.started()
    for end in (0.5, 1.0, 2.0):
        message = pb.WindowResult(
            end_offset=duration(end),
            status=pb.WindowResult.STATUS_SCORED,
            window_score=said.score(0.5),
            rolling_score=said.score(end / 2),
            cumulative_score=said.score(end / 2),
        )
        replay.windows.append(wire.window(message))
    replay.alerts = [said.alert(seconds=1.0)]
    return replay


def test_the_legend_is_next_to_the_data_and_names_every_line(judged: Replay) -> None:
    figure = plot.picture([judged])
    figure.canvas.draw()
    scores = figure.axes[1]
    legend = scores.get_legend()
    assert legend.get_window_extent().x0 >= scores.get_window_extent().x1
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    named = [text.get_text() for text in legend.get_texts()]
    assert named == [
        *("rolling", "cumulative", "rolling threshold", "cumulative threshold", "windows"),
    ]


def test_identical_lines_are_both_visible(judged: Replay) -> None:
    figure = plot.picture([judged])
    figure.canvas.draw()
    drawn = np.asarray(figure.canvas.buffer_rgba())[:, :, :3].astype(int)
    box = figure.axes[1].get_window_extent()
    height = drawn.shape[0]
    inside = drawn[height - int(box.y1) : height - int(box.y0), int(box.x0) : int(box.x1)]
    for colour in ("#d68910", "#c0392b"):
        wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        # more than the dashes of a threshold, so the line itself
        rows = (np.abs(inside - wanted).max(axis=2) < 25).any(axis=1)
        assert rows.mean() > 0.5, colour
