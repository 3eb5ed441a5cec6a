from typing import Any

import numpy as np
import pytest
import torch

from dfd.training.loop import LogOdds
from dfd.training.network import PHASES, NetworkOptions, build_network, filter_bank

SMALL = NetworkOptions(
    conv_channels=(48, 16, 16, 16),
    hidden=16,
    layers=1,
    heads=2,
    feed_forward=16,
    position_groups=2,
    pooled=8,
)


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    made: Any = build_network(SMALL)
    return made.eval()


def test_filters_are_bands_in_three_phases() -> None:
    bank = filter_bank(16, 400)
    assert bank.shape == (16 * PHASES, 400)
    assert bank.sum(1).abs().max() < 1e-3
    peaks = np.abs(np.fft.rfft(bank.numpy(), 4096)).argmax(1) * 16_000 / 4096
    expected = np.linspace(50, 7940, 16).repeat(PHASES)
    assert np.abs(peaks - expected).max() < 60
    # The three half-waves of a band add up to nearly the same whatever the phase.
    time = torch.arange(400) / 16_000
    sums = []
    for phase in np.linspace(0, 2 * np.pi, 20):
        wave = torch.cos(2 * np.pi * expected[9] * time + float(phase))
        sums.append(float((bank[9:12] @ wave).relu().sum()))
    assert (max(sums) - min(sums)) / np.mean(sums) < 0.15


def test_padding_changes_nothing(network: Any) -> None:
    scorer = LogOdds(network)
    wave = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(wave, (0, 32_000), value=0.0)
    with torch.no_grad():
        alone = scorer(wave, torch.tensor([32_000]))
        masked = scorer(padded, torch.tensor([32_000]))
    assert torch.allclose(alone, masked, atol=1e-5)


def test_level_changes_nothing(network: Any) -> None:
    scorer = LogOdds(network)
    wave = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([16_000, 12_000])
    with torch.no_grad():
        assert torch.allclose(scorer(wave, lengths), scorer(wave * 0.1, lengths), atol=1e-4)


def test_torchaudio_gives_the_same(network: Any) -> None:
    from torchaudio.models.wav2vec2.utils import import_huggingface_model

    other = import_huggingface_model(network.wav2vec2).eval()
    wave = torch.randn(2, 32_000, generator=torch.Generator().manual_seed(1))
    wave[1, 20_000:] = 0
    lengths = torch.tensor([32_000, 20_000])
    mask = (torch.arange(32_000) < lengths[:, None]).long()
    with torch.no_grad():
        ours = network.wav2vec2(wave, attention_mask=mask).last_hidden_state
        theirs, frames = other(wave, lengths)
    assert torch.allclose(ours[0], theirs[0], atol=1e-5)
    assert torch.allclose(ours[1, : frames[1]], theirs[1, : frames[1]], atol=1e-5)


def test_labels_and_frozen_filters(network: Any) -> None:
    assert network.config.id2label == {0: "bonafide", 1: "spoof"}
    waves, lengths = torch.randn(2, 16_000), torch.tensor([16_000, 16_000])
    LogOdds(network.train())(waves, lengths).sum().backward()
    layers = network.wav2vec2.feature_extractor.conv_layers
    assert layers[0].conv.weight.grad is None
    assert layers[1].conv.weight.grad is not None
