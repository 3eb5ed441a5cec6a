import dataclasses

import pytest
import torch

from dfd.detector.networks.light_cnn import STATISTICS, Branch, Stage
from dfd.detector.networks.spectrogram import SpectrogramOptions
from dfd.training.bundled.network import Network, NetworkOptions

SMALL = NetworkOptions(
    spectrogram=SpectrogramOptions(bands=13),
    branch=Branch(
        (Stage(4, 5, 5, frame_stride=2, feature_pool=2), Stage(6, frame_pool=2)), projected=8
    ),
)
BY_HOPS = dataclasses.replace(
    SMALL, branch=dataclasses.replace(SMALL.branch, pooling=STATISTICS), hop_samples=8_000
)


def trained(options: NetworkOptions = SMALL) -> Network:
    """Makes a network whose norms have statistics, and gains of both signs."""
    torch.manual_seed(0)
    network = Network(options).train()
    with torch.no_grad():
        network(torch.randn(4, 16_000), torch.full((4,), 16_000))
        network.norms[0].weight[::2] *= -1.0  # type: ignore[index,operator]
        network.classifier.weight *= 100.0
    return network.eval()


@pytest.mark.parametrize("options", [SMALL, BY_HOPS])
def test_padding_changes_nothing(options: NetworkOptions) -> None:
    network = trained(options)
    wave = torch.randn(1, 32_000, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(wave, (0, 32_000))
    with torch.no_grad():
        alone = network(wave, torch.tensor([32_000]))
        masked = network(padded, torch.tensor([32_000]))
    assert torch.allclose(alone, masked, atol=1e-4)


def test_level_changes_nothing() -> None:
    network = trained()
    wave = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([16_000, 12_000])
    with torch.no_grad():
        assert torch.allclose(network(wave, lengths), network(wave * 0.1, lengths), atol=1e-3)


def test_the_spectrogram_is_augmented_only_in_training() -> None:
    options = NetworkOptions(
        SMALL.spectrogram,
        SMALL.branch,
        band_mask_chance=1.0,
        band_mask_width=12,
        frame_mask_chance=1.0,
        style_mix_chance=1.0,
        dropout=0.0,
    )
    network = trained(options)
    waves = torch.randn(4, 8000, generator=torch.Generator().manual_seed(1))
    lengths = torch.full((4,), 8000)
    network.train()
    assert not torch.equal(network(waves, lengths), network(waves, lengths))
    network.eval()
    assert torch.equal(network(waves, lengths), network(waves, lengths))


def test_the_spectrogram_is_not_learnt() -> None:
    names = [name for name, _ in trained().named_parameters()]
    assert names
    assert not any(name.startswith("spectrogram") for name in names)


def test_a_norm_never_inverts_maps() -> None:
    network = trained()
    rising = torch.linspace(-3.0, 3.0, 20).expand(1, 4, 1, 20)
    for norm, maps in zip(network.norms, (4, 6), strict=True):
        with torch.no_grad():
            out = norm(rising[:, :1].expand(1, maps, 1, 20))
        assert (out.diff(dim=3) >= 0).all()


def test_hops_are_processed_one_by_one() -> None:
    network = trained(BY_HOPS)
    waves = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(1))
    louder = torch.cat([waves[:, :8_000] * 7.0, waves[:, 8_000:]], dim=1)
    swapped = waves.roll(8_000, 1)
    lengths = torch.tensor([16_000])
    with torch.no_grad():
        wanted = network(waves, lengths)
        assert torch.allclose(network(louder, lengths), wanted, atol=1e-3)
        assert torch.allclose(network(swapped, lengths), wanted, atol=1e-3)
