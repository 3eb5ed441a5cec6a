from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.clients.client import AsyncDetectionClient
from dfd.clients.errors import DetectionError
from dfd.clients.runs.judge import judge
from dfd.clients.sources.recording import open_recording
from tests.clients.scripted import ScriptedServer
from tests.clients.scripted_scores import Script


@pytest.fixture
def path(tmp_path: Path) -> Path:
    samples = np.concatenate([np.zeros(16000), np.full(16000, 0.5), np.zeros(16000)])
    soundfile.write(tmp_path / "step.wav", samples, 16000, subtype="PCM_16")
    return tmp_path / "step.wav"


async def test_everything_reported_about_a_recording(path: Path) -> None:
    shares: list[float] = []
    async with (
        ScriptedServer(Script(alert_after=2.0)) as server,
        AsyncDetectionClient(server.address) as client,
    ):
        found = await judge(client, open_recording(path), progress=shares.append)
    assert found.name == "step.wav"
    assert found.seconds == 3.0
    assert len(found.sha256) == 64
    assert [window.end_seconds for window in found.windows] == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert len(found.alerts) == 1
    assert found.summary.channels[0].windows_scored == 5
    assert shares[-1] == 1.0
    third = len(found.peaks) // 3
    assert 1200 <= len(found.peaks) < 2400
    assert set(found.peaks[: third - 1]) == {0.0}
    assert set(found.peaks[third + 1 : 2 * third - 1]) == {0.5}
    assert found.findings == []


async def test_a_server_that_refuses(path: Path) -> None:
    async with (
        ScriptedServer(Script(token="secret")) as server,
        AsyncDetectionClient(server.address) as client,
    ):
        with pytest.raises(DetectionError, match="BAD_TOKEN"):
            await judge(client, open_recording(path))
