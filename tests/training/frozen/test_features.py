from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.training.frozen import features as module
from dfd.training.frozen.embedding import Embedder
from dfd.training.frozen.features import Features, batches_of, extract
from dfd.training.frozen.recipe import FrozenRecipe
from dfd.training.frozen.spectral import spectral_features
from dfd.training.material.clips import Clips, scan
from dfd.training.material.splits import corpus_splits
from dfd.training.weights.pretrained import load_backbone

RECIPE = FrozenRecipe("frozen-logreg", batch_seconds=5.0)
CPU = torch.device("cpu")


@pytest.fixture
def clips(corpus: Path) -> Clips:
    return scan(corpus_splits(corpus).train, corpus, "train", workers=1)


@pytest.fixture(scope="module")
def embedder(base_backbone: Path) -> Embedder:
    return Embedder(load_backbone(str(base_backbone)))


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_are_the_recordings_own(clips: Clips, embedder: Embedder, workers: int) -> None:
    told: list[int] = []
    made = extract(clips, embedder, RECIPE, device=CPU, workers=workers, progress=told.append)
    assert sum(told) == 12
    assert made.columns("all").shape == (12, 15 + 32)
    for row in (0, 7, 11):
        wave = clips.read(row)
        assert wave is not None
        alone, length = torch.from_numpy(wave)[None], torch.tensor([wave.size])
        hand = spectral_features(alone, length, RECIPE.spectral)[0].numpy()
        assert np.allclose(made.spectral[row], hand, rtol=1e-4, atol=1e-3)
        assert np.allclose(made.embeddings[row], embedder(alone, length)[0].numpy(), atol=1e-5)


def test_torchs_threads_are_restored(clips: Clips, embedder: Embedder) -> None:
    before = torch.get_num_threads()
    extract(clips, embedder, RECIPE, device=CPU, workers=2)
    assert torch.get_num_threads() == before


def test_finished_work_is_not_repeated(
    clips: Clips, embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_RECORDINGS", 5)
    done: list[int] = []
    real = module._extract

    def counted(clips: Clips, rows: np.ndarray, *rest: object) -> Features:
        done.append(len(rows))
        return real(clips, rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_extract", counted)

    def again(recipe: FrozenRecipe = RECIPE, identity: str = "one") -> Features:
        done.clear()
        return extract(
            clips, embedder, recipe, device=CPU, workers=1, folder=tmp_path, identity=identity
        )

    first = again()
    assert done == [5, 5, 2]
    (kept,) = tmp_path.iterdir()
    (kept / "0000005.npz").write_bytes(b"broken off")
    second = again()
    assert done == [5]
    assert np.array_equal(first.columns("all"), second.columns("all"))
    again(identity="another")
    assert done == [5, 5, 2]
    again(FrozenRecipe("frozen-logreg", longest_seconds=1.0))
    assert done == [5, 5, 2]


def test_broken_files_have_no_features(
    clips: Clips, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = clips.read
    monkeypatch.setattr(clips, "read", lambda row: None if row == 4 else real(row))
    made = extract(clips, embedder, RECIPE, device=CPU, workers=2)
    assert np.flatnonzero(~made.usable).tolist() == [4]
    assert np.isnan(made.embeddings[4]).all()


def test_batches_have_every_recording_once_and_limited_audio() -> None:
    lengths = np.random.default_rng(0).integers(8_000, 200_000, 100)
    batches = batches_of(lengths, 20.0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(100))
    assert all(len(batch) * lengths[batch].max() <= 20 * 16_000 for batch in batches)
    assert batches_of(np.array([800_000]), 20.0)[0].tolist() == [0]
