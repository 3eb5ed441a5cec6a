import copy
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector.networks.frames import lay_out, patches
from tests.detector.conftest import CARD, WINDOW, MakeFolder, scoring_network

LENGTHS = torch.tensor([WINDOW, 3 * WINDOW // 4, WINDOW // 2, 300, WINDOW, 200, 1000])
FORMS: dict[str, dict[str, Any]] = {
    "group": {"feat_extract_norm": "group"},
    "group-masked": {"feat_extract_norm": "group", "card": {**CARD, "padding": "mask"}},
    "layer": {"feat_extract_norm": "layer", "conv_bias": True},
    "stable": {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "weighted": {"feat_extract_norm": "layer", "use_weighted_layer_sum": True},
    "wide-kernels": {"conv_kernel": (30, 9, 2), "feat_extract_norm": "layer"},
    "narrow-kernels": {"conv_kernel": (5, 3, 1), "feat_extract_norm": "layer"},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_laid_out_network_scores_as_before(
    name: str, make_folder: MakeFolder, windows: NDArray[np.float32]
) -> None:
    network = scoring_network(make_folder(**FORMS[name]))
    laid_out = lay_out(copy.deepcopy(network))
    whole = torch.from_numpy(windows)
    short = whole.clone()
    for row, length in zip(short, LENGTHS, strict=True):
        row[length:] = 0.0
    with torch.inference_mode():
        for batch, lengths in ((whole, None), (short, LENGTHS)):
            expected = network(batch, lengths)
            assert float(expected.std()) > 0.01
            np.testing.assert_allclose(laid_out(batch, lengths), expected, atol=1e-4)


def test_a_channel_with_little_energy_is_normalised_exactly(
    make_folder: MakeFolder,
) -> None:
    """A filter for high tones on a loud low tone: statistics in float32 would be wrong."""
    network = scoring_network(make_folder(feat_extract_norm="group"))
    conv = network.feature_extractor.conv_layers[0].conv
    conv.weight.copy_(torch.tensor([1.0, -3.0, 3.0, -1.0] + [0.0] * 6).expand(16, 1, 10))
    time = torch.arange(WINDOW) / 16_000
    tone = (torch.sin(2 * torch.pi * 100 * time) + 1e-5 * torch.randn(WINDOW))[None]
    with torch.inference_mode():
        expected = network(tone, None)
        found = lay_out(network)(tone, None)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (10, 5), (9, 4), (1, 3), (5, 1)])
def test_patches_are_the_inputs_of_a_convolution(kernel: int, stride: int) -> None:
    x = torch.arange(2 * 60 * 3, dtype=torch.float32).reshape(2, 60, 3)
    found = patches(x, kernel, stride)
    assert found.shape == (2, 60 // stride, kernel * 3)
    for place in range((60 - kernel) // stride + 1):
        seen = x[:, place * stride : place * stride + kernel].flatten(1)
        assert torch.equal(found[:, place], seen)
