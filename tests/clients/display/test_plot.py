from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients.runs.replay import Replay
from dfd.clients.sources.recording import Recording, open_recording
from dfd.errors import UserError
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


def test_spans_of_speech_are_a_channel_s_own(recording: Recording) -> None:
    replay = Replay(0, recording, sent_seconds=2.0)
    replay.activity = [
        said.activity(0, True, 0.2),
        said.activity(1, True, 0.3),
        said.activity(0, False, 0.8),
        said.activity(0, True, 1.5),
    ]
    assert plot.speech_spans(replay, 0) == [(0.2, 0.8), (1.5, 2.0)]
    assert plot.speech_spans(replay, 1) == [(0.3, 2.0)]


def test_nothing_judged_is_nothing_to_draw(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to plot"):
        plot.draw([Replay(0, recording)], tmp_path / "plot.png")
