import copy

import torch

from dfd.detector.networks.aasist import Aasist
from dfd.detector.networks.windows import WindowNetwork, put_channels_last
from tests.detector.checkpoints import random_state
from tests.detector.files.layouts import test_aasist


def test_maps_with_channels_last_stay_so_and_score_the_same() -> None:
    classifier = Aasist(test_aasist.SIZES)
    classifier.load_state_dict(random_state(classifier))
    plain = WindowNetwork(classifier, spoof_column=0)
    network = copy.deepcopy(plain)
    put_channels_last(network)
    maps: list[torch.Tensor] = []
    encoder = network.classifier.get_submodule("encoder")
    encoder.register_forward_hook(lambda module, inputs, output: maps.append(output))
    samples = 0.1 * torch.randn(2, 8_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(samples, None), plain(samples, None), atol=1e-5, rtol=1e-5)
    assert maps[0].is_contiguous(memory_format=torch.channels_last)
    assert not maps[0].is_contiguous()
