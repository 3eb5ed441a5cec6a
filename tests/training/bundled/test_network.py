from typing import Any

import numpy as np
import pytest
import torch

from dfd.training.bundled.extractor import (
    PHASES,
    ExtractorOptions,
    PlaneConvolution,
    TiedExtractor,
    compression,
    filter_bank,
)
from dfd.training.bundled.loop import LogOdds
from dfd.training.bundled.network import NetworkOptions, build_network, plain

SMALL = NetworkOptions(
    extractor=ExtractorOptions(
        bands=16,
        planes=(PlaneConvolution(4, 5, 3, 2, 2), PlaneConvolution(4, 3, 3, 1, 2)),
    ),
    hidden=16,
    layers=1,
    heads=2,
    feed_forward=16,
    position_groups=2,
    pooled=8,
)


@pytest.fixture(scope="module")
def trained() -> Any:
    """A network in its training form whose normalisations have seen something."""
    torch.manual_seed(0)
    made = build_network(SMALL).train()
    with torch.no_grad():
        LogOdds(made)(torch.randn(4, 16_000), torch.full((4,), 16_000))
    return made.eval()


@pytest.fixture(scope="module")
def network(trained: Any) -> Any:
    return plain(trained, SMALL)


def test_filters_are_bands_in_three_phases() -> None:
    options = ExtractorOptions()
    bank = filter_bank(options)
    assert bank.shape == (options.bands * PHASES, options.taps)
    assert bank.sum(1).abs().max() < 1e-3
    peaks = np.abs(np.fft.rfft(bank.numpy(), 8192)).argmax(1) * 16_000 / 8192
    assert (np.diff(peaks[::PHASES]) > 0).all()
    assert peaks[0] < 120
    assert 7200 < peaks[-1] < 7600


def test_magnitude_does_not_depend_on_the_phase() -> None:
    extractor = TiedExtractor(ExtractorOptions())
    time = torch.arange(3200) / 16_000
    frames = []
    for phase in np.linspace(0, 2 * np.pi, 12):
        wave = torch.sin(2 * np.pi * 1000 * time + float(phase))
        frames.append(extractor.spectrogram(wave[None])[0, :, 5])
    loud = torch.stack(frames)
    band = int(loud.mean(0).argmax())
    assert loud[:, band].std() < 0.05


def test_compression_is_near_a_logarithm() -> None:
    curve = compression(4, 2e-3)
    magnitude = torch.logspace(-3.5, 1, 46)
    knees = torch.nn.functional.gelu(magnitude[:, None] * curve.gains + curve.offset)
    made = knees @ curve.weights + curve.constant
    assert (made - (torch.log(magnitude + 2e-3) + 2) / 2).abs().max() < 0.3
    assert (made[5:] > made[:-5]).all()


def test_plain_form_gives_the_same(trained: Any, network: Any) -> None:
    waves = torch.randn(3, 24_000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([24_000, 24_000, 15_000])
    with torch.no_grad():
        tied = LogOdds(trained)(waves, lengths)
        assert torch.allclose(tied, LogOdds(network)(waves, lengths), atol=2e-3)
    assert tied.std() > 0


def test_padding_changes_nothing(network: Any) -> None:
    scorer = LogOdds(network)
    wave = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(wave, (0, 32_000), value=0.0)
    with torch.no_grad():
        alone = scorer(wave, torch.tensor([32_000]))
        masked = scorer(padded, torch.tensor([32_000]))
    assert torch.allclose(alone, masked, atol=1e-4)


def test_level_changes_nothing(network: Any) -> None:
    scorer = LogOdds(network)
    wave = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([16_000, 12_000])
    with torch.no_grad():
        assert torch.allclose(scorer(wave, lengths), scorer(wave * 0.1, lengths), atol=1e-3)


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
    assert torch.allclose(ours[0], theirs[0], atol=1e-4)
    assert torch.allclose(ours[1, : frames[1]], theirs[1, : frames[1]], atol=1e-4)


def test_training_changes_the_spectrogram_only_then() -> None:
    options = ExtractorOptions(bands=16, planes=SMALL.extractor.planes, band_mask_chance=1.0)
    extractor = TiedExtractor(options)
    waves = torch.randn(4, 8000, generator=torch.Generator().manual_seed(1))
    extractor.train()
    assert not torch.equal(extractor(waves), extractor(waves))
    extractor.eval()
    assert torch.equal(extractor(waves), extractor(waves))


def test_labels_and_fixed_filters(trained: Any, network: Any) -> None:
    assert network.config.id2label == {0: "bonafide", 1: "spoof"}
    extractor = trained.wav2vec2.feature_extractor
    names = [name for name, _ in extractor.named_parameters()]
    assert names
    assert all(name.startswith(("planes", "norms")) for name in names)
