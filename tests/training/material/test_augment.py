import dataclasses
import importlib
from typing import Any

import numpy as np
import pytest
import torch

from dfd.training.material.augment import AugmentOptions, Surroundings, augment, normalise

LENGTHS = torch.tensor([16_000, 9_000, 16_000, 400])


def waves() -> torch.Tensor:
    made = torch.randn(4, 16_000, generator=torch.Generator().manual_seed(0))
    return made * (torch.arange(16_000) < LENGTHS[:, None])


def run(seed: int, options: AugmentOptions) -> torch.Tensor:
    return augment(waves(), LENGTHS, options, torch.Generator().manual_seed(seed))


def chances(value: float) -> AugmentOptions:
    names = [f.name for f in dataclasses.fields(AugmentOptions) if f.name.endswith("_chance")]
    return AugmentOptions(**dict.fromkeys(names, value))  # type: ignore[arg-type]


def test_without_augmentation_the_waveform_is_unchanged() -> None:
    before, after = normalise(waves(), LENGTHS), normalise(run(0, chances(0.0)), LENGTHS)
    assert torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("options", [AugmentOptions(), chances(1.0)])
def test_finite_and_masked(options: AugmentOptions) -> None:
    for seed in range(10):
        made = run(seed, options)
        assert made.shape == (4, 16_000)
        assert made.isfinite().all()
        assert not made[1, 9_000:].any()
        assert not made[3, 400:].any()


def test_untouched_waveforms_pass() -> None:
    generator = torch.Generator().manual_seed(0)
    made = augment(waves(), LENGTHS, chances(1.0), generator, untouched_chance=1.0)
    assert torch.allclose(normalise(made, LENGTHS), normalise(waves(), LENGTHS), atol=1e-5)


def test_measured_rooms_and_noises_are_applied() -> None:
    echo = torch.zeros(1, 800)
    echo[0, [0, 700]] = 1.0
    humming = torch.sin(torch.arange(8_000) * 0.3).unsqueeze(0)
    click = torch.zeros(1, 16_000)
    click[0, 5_000] = 1.0
    around = Surroundings(humming, echo)
    room = dataclasses.replace(chances(0.0), measured_room_chance=1.0)
    noise = dataclasses.replace(chances(0.0), measured_noise_chance=1.0)
    for options, heard in ((room, 2), (noise, 16_000)):
        draws = torch.Generator().manual_seed(0)
        made = augment(click, LENGTHS[:1], options, draws, surroundings=around)
        made = made / made.abs().max()
        assert (made.abs() > 1e-5).sum().item() == pytest.approx(heard, rel=0.2)


def test_both_of_a_pair_get_the_same_augmentation() -> None:
    options = dataclasses.replace(chances(0.0), narrow_band_chance=0.5, equaliser_chance=1.0)
    twice = waves()[:1].repeat(8, 1)
    alike = torch.tensor([False, True] * 4)
    draws = torch.Generator().manual_seed(1)
    lengths = torch.full((8,), 16_000)
    made = augment(twice, lengths, options, draws, 0.3, alike=alike)
    power = torch.fft.rfft(made).abs()
    same = [torch.allclose(power[at], power[at + 1], rtol=0.3, atol=1.0) for at in range(0, 8, 2)]
    strange = [torch.allclose(power[at], power[at + 2], rtol=0.3, atol=1.0) for at in (0, 2, 4)]
    assert all(same)
    assert not all(strange)


def test_seeds_repeat() -> None:
    assert torch.equal(run(3, AugmentOptions()), run(3, AugmentOptions()))
    assert not torch.equal(run(3, AugmentOptions()), run(4, AugmentOptions()))


def test_narrow_band_removes_frequencies_above_it() -> None:
    options = dataclasses.replace(chances(0.0), narrow_band_chance=1.0)
    power = torch.fft.rfft(run(0, options)[0]).abs().pow(2).numpy()
    hertz = np.linspace(0, 8000, power.size)
    assert power[hertz > 4500].sum() < 1e-3 * power.sum()


def test_normalise_is_the_feature_extractor() -> None:
    transformers: Any = importlib.import_module("transformers")
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    wave = 3 + 0.1 * waves()[0].numpy()
    expected = extractor(wave, sampling_rate=16_000)["input_values"][0]
    made = normalise(torch.from_numpy(wave)[None], torch.tensor([16_000]))[0]
    assert np.allclose(made.numpy(), expected, atol=1e-4)
