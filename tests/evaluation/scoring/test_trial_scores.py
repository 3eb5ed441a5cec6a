import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from dfd.evaluation.audio import FloatArray
from dfd.evaluation.corpus import Recording
from dfd.evaluation.scoring.served import Model
from dfd.evaluation.scoring.trial_scores import NO_SCORE, score_trials
from dfd.streaming.options import ModelTraits, UtteranceScore

CLEAN = {"clean": lambda samples, _: samples}


def peak_model(seen: list[int], **options: object) -> Model:
    """A model that scores a window by its largest sample, and records the batch sizes."""

    class Peak:
        def score(
            self, windows: FloatArray, lengths: npt.NDArray[np.int64]
        ) -> npt.NDArray[np.float32]:
            seen.append(len(windows))
            assert all(not row[n:].any() for row, n in zip(windows, lengths, strict=True))
            top = windows.max(axis=1)
            return np.where(top > 0.95, np.nan, top).astype(np.float32)

    traits = ModelTraits(evidence_correlation=1.0, **options)  # type: ignore[arg-type]
    return Model(Peak(), traits, 0.5, 4, {})


def write(folder: Path, name: str, *levels: float) -> Recording:
    """Writes two seconds at each level."""
    wave = np.repeat(np.array(levels, np.float32), 32_000)
    soundfile.write(str(folder / name), wave, 16_000, subtype="FLOAT")
    return Recording(name, 0)


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_recording_keeps_its_scores(tmp_path: Path, jobs: int) -> None:
    rows = [write(tmp_path, f"{i}.wav", *(0.01 * (i + 1),) * (i % 4 + 1)) for i in range(30)]
    seen: list[int] = []
    ticks: list[int] = []
    found = score_trials(
        rows,
        tmp_path,
        peak_model(seen),
        conditions={"clean": CLEAN["clean"], "half": lambda samples, _: samples * np.float32(0.5)},
        beginnings=(1.0,),
        jobs=jobs,
        progress=lambda: ticks.append(1),
    )
    expected = [0.01 * (i + 1) for i in range(30)]
    model = peak_model([])
    assert found.pooled(model, "clean") == pytest.approx(expected, rel=1e-5)
    assert found.pooled(model, "half") == pytest.approx([v / 2 for v in expected], rel=1e-5)
    assert found.beginnings[1.0] == pytest.approx(expected, rel=1e-5)
    assert [len(windows) for windows in found.windows["clean"][:4]] == [1, 1, 2, 3]
    assert len(ticks) == 30
    assert max(seen) == 4
    assert seen.count(4) > 20


def test_conditions_are_reproducible_for_each_recording(tmp_path: Path) -> None:
    rows = [write(tmp_path, "a.wav", 0.1), write(tmp_path, "b.wav", 0.1)]

    def chance(samples: FloatArray, generator: np.random.Generator) -> FloatArray:
        return np.full_like(samples, generator.random() / 2)

    def scores(order: list[Recording]) -> list[float]:
        made = score_trials(order, tmp_path, peak_model([]), conditions={"chance": chance})
        return [float(score) for score in made.pooled(peak_model([]), "chance")]

    first, second = scores(rows)
    assert first != second
    assert scores(rows[::-1]) == [second, first]


def test_recordings_without_a_score_are_named(tmp_path: Path) -> None:
    (tmp_path / "junk.flac").write_bytes(b"fLaC but no more")
    (tmp_path / "short.flac").write_bytes(b"")
    rows = [
        write(tmp_path, "good.wav", 0.5),
        Recording("junk.flac", 0),
        Recording("none.flac", 1),
        Recording("short.flac", 1),
        write(tmp_path, "broken.wav", 1.0),
    ]
    found = score_trials(rows, tmp_path, peak_model([]), conditions=CLEAN)
    assert list(found.unreadable) == ["junk.flac", "none.flac", "short.flac", "broken.wav"]
    assert "does not exist" in found.unreadable["none.flac"]
    assert found.unreadable["broken.wav"] == NO_SCORE
    assert np.isnan(found.pooled(peak_model([]), "clean")).tolist() == [False, *[True] * 4]


def test_only_the_beginning(tmp_path: Path) -> None:
    rows = [write(tmp_path, "a.wav", 0.1, 0.2, 0.3)]
    found = score_trials(rows, tmp_path, peak_model([]), conditions=CLEAN, most_seconds=2.0)
    assert found.lengths.tolist() == [32_000]
    assert found.pooled(peak_model([]), "clean") == pytest.approx([0.1])


def test_decoding_ahead_is_bounded(tmp_path: Path) -> None:
    rows = [write(tmp_path, f"{i}.wav", 0.1) for i in range(40)]
    made, lock = [0], threading.Lock()
    most = [0]

    def counted(samples: FloatArray, _: np.random.Generator) -> FloatArray:
        with lock:
            made[0] += 1
        return samples

    done = [0]

    def tick() -> None:
        done[0] += 1
        most[0] = max(most[0], made[0] - done[0])

    score_trials(rows, tmp_path, peak_model([]), conditions={"x": counted}, progress=tick)
    assert made[0] == 40
    assert most[0] <= 9


@pytest.mark.parametrize(
    ("utterance_score", "windows", "score"),
    [
        # no speech: a window counts by its new part, half a second of 2.5
        (UtteranceScore.EVIDENCE, 2, (0.1 + 0.2 * 0.3) / 1.2),
        (UtteranceScore.MEAN, 2, 0.2),
        (UtteranceScore.FIRST, 1, 0.1),
    ],
)
def test_ways_to_score_an_utterance(
    tmp_path: Path, utterance_score: UtteranceScore, windows: int, score: float
) -> None:
    wave = np.concatenate((np.full(64_000, 0.1), np.full(8_000, 0.3))).astype(np.float32)
    soundfile.write(str(tmp_path / "a.wav"), wave, 16_000, subtype="FLOAT")
    model = peak_model([], utterance_score=utterance_score)
    found = score_trials([Recording("a.wav", 0)], tmp_path, model, conditions=CLEAN)
    assert len(found.windows["clean"][0]) == windows
    assert found.pooled(model, "clean")[0] == pytest.approx(score, abs=2e-3)
