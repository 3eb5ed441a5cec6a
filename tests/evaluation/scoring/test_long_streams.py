from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dfd.evaluation.audio import FloatArray
from dfd.evaluation.corpus import Recording
from dfd.evaluation.scoring.long_streams import false_alerts


@pytest.fixture
def rows(tmp_path: Path) -> list[Recording]:
    found = []
    for index, (source, speaker, label) in enumerate(
        [("a", "x", 0), ("a", "x", 0), ("a", "y", 0), ("b", "", 0), ("a", "x", 1)]
    ):
        soundfile.write(str(tmp_path / f"{index}.wav"), np.full(16_000, 0.1 * index), 16_000)
        found.append(Recording(f"{index}.wav", label, source=source, speaker=speaker))
    return [*found, Recording("none.wav", 0, source="b"), Recording("none.wav", 0, source="c")]


def louder(samples: FloatArray, _: np.random.Generator) -> FloatArray:
    return samples + np.float32(0.5)


def test_each_speaker_is_one_stream(rows: list[Recording], tmp_path: Path) -> None:
    streams: list[list[float]] = []

    def count(audio: Iterator[FloatArray]) -> int:
        streams.append([round(float(wave.mean()), 1) for wave in audio])
        return len(streams[-1])

    ticks: list[int] = []
    made = false_alerts(rows, tmp_path, count, louder, lambda: ticks.append(1))
    # only bona fide recordings, one stream per voice, each with the condition applied
    assert streams == [[0.5, 0.6], [0.7], [0.8], []]
    assert len(ticks) == 6
    assert (made["alerts"], made["stream_count"], made["streams_that_alerted"]) == (4, 3, 3)
    assert made["hours"] == pytest.approx(4 / 3600)
    assert made["alerts_per_hour"] == pytest.approx(3600)
    # the exact interval of four events, as tabulated: 1.090 to 10.242
    assert made["alerts_per_hour_interval"] == pytest.approx([1.090 * 900, 10.242 * 900], rel=1e-3)
    assert made["unnamed_speakers"]["alerts_per_hour_interval"][0] > 0
    assert made["named_speakers"]["alerts"] == 3
    assert made["unnamed_speakers"]["alerts"] == 1
    assert made["by_source"]["a"]["stream_count"] == 2
    assert [stream["recordings"] for stream in made["streams"]] == [2, 1, 1]
