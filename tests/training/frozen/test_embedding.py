from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
import torch

from dfd.training.frozen.embedding import Embedder
from dfd.training.weights.pretrained import load_backbone

LENGTHS = torch.tensor([32_000, 9_123, 20_001, 500])


def plain(folder: Path, wave: torch.Tensor) -> torch.Tensor:
    """Returns one recording's embedding by plain transformers."""
    from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

    make: Any = Wav2Vec2Model
    model = make.from_pretrained(folder).eval()
    extractor: Any = Wav2Vec2FeatureExtractor
    values = extractor()(wave.numpy(), sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        mean: torch.Tensor = model(values).last_hidden_state.mean(1)[0]
    return mean


def batch() -> torch.Tensor:
    torch.manual_seed(1)
    waves = 0.1 * torch.randn(len(LENGTHS), 32_000) + 0.02
    return waves * (torch.arange(32_000) < LENGTHS.unsqueeze(1))


@pytest.mark.parametrize("kind", ["base_backbone", "xlsr_backbone"])
def test_a_batch_gives_the_same_as_single_recordings(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(kind)
    embedder, waves = Embedder(load_backbone(str(folder))), batch()
    together = embedder(waves, LENGTHS)
    assert together.shape == (4, 32)
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = plain(folder, waves[row, :length])
        assert torch.allclose(together[row], wanted, atol=1e-5), row


def test_less_than_a_frame_is_processed_as_one(base_backbone: Path) -> None:
    embedder = Embedder(load_backbone(str(base_backbone)))
    assert embedder.least_samples == 10 + 10 * (8 - 1) + 80 * (4 - 1)
    made = embedder(0.1 * torch.randn(2, 20), torch.tensor([20, 3]))
    assert made.isfinite().all()


def test_threads_do_not_mix_their_batches(base_backbone: Path) -> None:
    embedder, waves = Embedder(load_backbone(str(base_backbone))), batch()
    wanted = [embedder(waves[row : row + 2], LENGTHS[row : row + 2]) for row in range(3)]
    made: list[list[torch.Tensor]] = [[], [], []]
    together = Barrier(3)

    def work(row: int) -> None:
        together.wait()
        for _ in range(8):
            made[row].append(embedder(waves[row : row + 2], LENGTHS[row : row + 2]))

    threads = [Thread(target=work, args=(row,)) for row in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in range(3):
        assert len(made[row]) == 8
        for one in made[row]:
            assert torch.allclose(one, wanted[row], atol=1e-6)


def test_release_restores_the_backbone(base_backbone: Path) -> None:
    backbone = load_backbone(str(base_backbone))
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    embedder = Embedder(backbone)
    embedder.release()
    first: Any = backbone.model.feature_extractor.conv_layers[0]
    assert isinstance(first.layer_norm, torch.nn.GroupNorm)
    after = backbone.model.state_dict()
    assert all(np.array_equal(after[name], value) for name, value in before.items())
