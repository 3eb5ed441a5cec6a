import copy

import pytest
import torch

from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.frames import Dense, lay_out
from dfd.detector.networks.int8_products import QuantizedDense, RowDense, input_grids
from dfd.detector.networks.whisper_stem import StemScoringNetwork
from dfd.detector.networks.whisper_stem_int8 import quantize_stem
from dfd.detector.signals import probe_signals
from tests.detector.conftest import needs_int8

pytestmark = pytest.mark.slow


@needs_int8
def test_the_bundled_stem_scores_nearly_as_before() -> None:
    network = read_checkpoint("bundled").network
    assert isinstance(network, StemScoringNetwork)
    lay_out(network)
    whole = copy.deepcopy(network)
    ranges, _ = probe_signals(64_000, 16_000, 1)
    quantize_stem(network.stem, input_grids(network, ranges, (Dense,)))
    kinds = [type(module) for module in network.stem.modules()]
    assert (kinds.count(QuantizedDense), kinds.count(RowDense), kinds.count(Dense)) == (6, 4, 0)
    windows, lengths = (torch.from_numpy(array) for array in probe_signals(64_000, 16_000))
    with torch.inference_mode():
        expected, found = whole(windows, lengths), network(windows, lengths)
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found.sigmoid(), expected.sigmoid(), atol=0.03, rtol=0.0)
