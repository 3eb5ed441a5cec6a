import copy
from typing import Any

import numpy as np
import pytest
import torch

from dfd.detector import load_detector
from dfd.detector.networks import sharing
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.sharing import SharedFrames, shared_frames
from tests.detector.conftest import CARD, MakeFolder, needs_int8, scoring_network

pytestmark = pytest.mark.slow

# 64 samples per frame: window and hop are multiples of it
WINDOW, HOP = 4096, 2048
RAW: dict[str, Any] = {
    "card": {**CARD, "window_samples": WINDOW, "hop_samples": HOP},
    "do_normalize": False,
    "feat_extract_norm": "layer",
}


def stream(windows: int, seed: int) -> torch.Tensor:
    """Makes consecutive windows (windows, WINDOW) of one stream."""
    generator = torch.Generator().manual_seed(seed)
    samples = torch.randn(WINDOW + (windows - 1) * HOP, generator=generator)
    return samples.unfold(0, WINDOW, HOP)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("int8", marks=needs_int8)])
def test_sharing_does_not_change_scores(precision: str, make_folder: MakeFolder) -> None:
    folder = make_folder(**RAW)
    alone = load_detector(
        str(folder), precision=precision, batch_buckets=(1,), warm=False, tolerance=1.0
    )
    detector = load_detector(
        str(folder), precision=precision, batch_buckets=(1, 2), warm=False, tolerance=1.0
    )
    shared = detector._compiled
    assert isinstance(shared, SharedFrames)
    streams = [stream(5, seed).numpy() for seed in (1, 2)]
    whole = np.full(2, WINDOW, np.int64)
    # In 8 bits a difference in the last bit of a float may change a code by one.
    near = 1e-5 if precision == "fp32" else 5e-3
    for index in range(5):
        batch = np.stack([windows[index] for windows in streams])
        found = detector.score(batch, whole)
        fresh = alone._compiled
        assert isinstance(fresh, SharedFrames)
        expected = [
            float(fresh._compiled(torch.from_numpy(window[None]), None)) for window in batch
        ]
        np.testing.assert_allclose(found, expected, atol=near)
        assert shared.reused == 2 * index


def test_a_new_stream_among_others_is_computed_completely(make_folder: MakeFolder) -> None:
    detector = load_detector(
        str(make_folder(**RAW)), precision="fp32", batch_buckets=(1, 2), warm=False
    )
    old, new = stream(2, 3).numpy(), stream(1, 4).numpy()
    one, two = np.full(1, WINDOW, np.int64), np.full(2, WINDOW, np.int64)
    expected = [float(detector.score(window[None], one)[0]) for window in (new[0], old[1])]
    detector.score(old[:1], one)
    found = detector.score(np.stack([new[0], old[1]]), two)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_cache_is_bounded(make_folder: MakeFolder) -> None:
    network = lay_out(scoring_network(make_folder(**RAW)))
    frames = shared_frames(network, WINDOW, HOP)
    work = SharedFrames(
        network, hop_samples=HOP, frames=frames, stride=64, cache_bytes=3 * frames * 24 * 4
    )
    with torch.inference_mode():
        for seed in range(6):
            work(stream(1, seed), None)
        assert len(work._cache) == 3
        work(stream(2, 5)[1:], None)
        assert work.reused == 1
        work(stream(2, 0)[1:], None)
        assert work.reused == 1


@pytest.mark.parametrize(
    "change",
    [
        {"do_normalize": True},
        {"feat_extract_norm": "group"},
        {"card": {**CARD, "window_samples": WINDOW, "hop_samples": HOP + 1}},
        {"card": {**CARD, "window_samples": WINDOW, "hop_samples": WINDOW}},
    ],
)
def test_sharing_is_off_if_it_would_not_be_exact(
    change: dict[str, Any], make_folder: MakeFolder
) -> None:
    detector = load_detector(str(make_folder(**(RAW | change))), precision="fp32", warm=False)
    assert not isinstance(detector._compiled, SharedFrames)


def test_common_frames_are_counted(make_folder: MakeFolder) -> None:
    network = lay_out(copy.deepcopy(scoring_network(make_folder(**RAW))))
    with torch.inference_mode():
        before, after = (network.features(one[None], None) for one in stream(2, 9))
    frames = shared_frames(network, WINDOW, HOP)
    assert frames > 0
    assert torch.allclose(before[:, -frames:], after[:, :frames], atol=1e-6)
    assert not torch.allclose(before[:, -frames - 1 : -1], after[:, :frames], atol=1e-2)


@pytest.mark.parametrize("has_sha", [True, False])
def test_different_samples_have_different_keys(
    has_sha: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_HAS_SHA", has_sha)
    one = torch.zeros(100)
    other = one.clone()
    other[50] = 1e-6
    assert sharing._digest(one) == sharing._digest(one.clone())
    assert sharing._digest(one) != sharing._digest(other)
    assert len(sharing._digest(one)) >= 16
