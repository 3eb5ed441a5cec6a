import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector import engines, load_detector
from dfd.detector.files.transformers_folder import read
from dfd.detector.jsonfile import Fields
from dfd.detector.networks.light_cnn import (
    STATISTICS,
    Branch,
    LightCnn,
    LightCnnConfig,
    Stage,
    largest,
    read_light_cnn,
)
from dfd.detector.networks.sharing import SharedHops
from dfd.errors import UserError
from tests.detector.authors import save_light_cnn
from tests.detector.conftest import CARD, WINDOW
from tests.detector.reference import LENGTHS, transformers_log_odds

pytestmark = pytest.mark.slow

BRANCH = Branch((Stage(4, 5, 3, frame_stride=2, feature_pool=2), Stage(6, 3, 3, frame_pool=2)), 8)
SIZES = LightCnnConfig((BRANCH,))
HOP = WINDOW // 2
BY_HOPS = LightCnnConfig((BRANCH, Branch((Stage(4, frame_pool=2),), 6, STATISTICS)), HOP)


def saved(folder: Path, sizes: LightCnnConfig = SIZES, **changes: Any) -> Path:
    save_light_cnn(folder, sizes)
    (folder / "dfd.json").write_text(json.dumps(CARD | changes))
    return folder


@pytest.mark.parametrize(
    ("sizes", "padding"), [(SIZES, "mask"), (SIZES, "zero"), (BY_HOPS, "mask")]
)
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_scores_as_transformers_does(
    sizes: LightCnnConfig,
    padding: str,
    engine: str,
    tmp_path: Path,
    windows: NDArray[np.float32],
) -> None:
    if not engines.is_installed(engine):
        pytest.skip(f"the engine is not installed: pip install 'dfd[{engine}]'")
    folder = saved(tmp_path, sizes, padding=padding)
    expected = transformers_log_odds(folder, windows, LENGTHS, mask=padding == "mask")
    assert expected.std() > 1e-2
    detector = load_detector(str(folder), engine=engine, precision="fp32", batch_buckets=(1, 4))
    scores = detector.score(windows, np.array(LENGTHS, np.int64))
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_a_zero_position_encoding_is_skipped(tmp_path: Path, windows: NDArray[np.float32]) -> None:
    folder = saved(tmp_path)
    network = read(folder).network
    transformer: Any = network.transformer
    for value in transformer.pos_conv_embed.parameters():
        value.zero_()
    with torch.no_grad():
        expected = network(torch.from_numpy(windows), None)
    silence = np.zeros((1, WINDOW), np.float32)
    target = engines.Target(torch.device("cpu"), "fp32", WINDOW, WINDOW // 2, silence)
    compiled = engines.compile_network(network, target)
    torch.testing.assert_close(compiled(torch.from_numpy(windows), None), expected)


def test_the_fewest_frames_are_known() -> None:
    head = LightCnn(SIZES, 12).eval()

    def left(frames: int) -> int:
        x = torch.randn(1, 1, frames, 12)
        for stage in head.branches[0].stages:
            x = stage(x)
        return x.shape[2]

    assert left(SIZES.least_frames) == 1
    assert left(SIZES.least_frames - 1) == 0


def test_a_window_too_short_for_the_head_is_refused(tmp_path: Path) -> None:
    save_light_cnn(
        tmp_path, LightCnnConfig((Branch((Stage(2, frame_stride=30), Stage(2, frame_taps=4))),))
    )
    (tmp_path / "dfd.json").write_text(json.dumps(CARD))
    with pytest.raises(UserError, match=r"gives fewer than 93 frames; window_samples must"):
        read(tmp_path)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("pool", [1, 2, 3])
def test_the_largest_of_neighbours(dimension: int, pool: int) -> None:
    x = torch.randn(2, 3, 7, 8)
    pools = (pool, 1) if dimension == 2 else (1, pool)
    torch.testing.assert_close(
        largest(x, pool, dimension), torch.nn.functional.max_pool2d(x, pools)
    )


@pytest.mark.parametrize(
    ("light_cnn", "said"),
    [
        (None, "branches is null; it must be at least one"),
        ({"branches": [{}]}, "stages is null; it must be at least one"),
        ({"branches": [{"stages": 3}]}, "stages is 3; it must be a list of objects"),
        (
            {"branches": [{"stages": [{"maps": 0}]}]},
            "maps is 0; it must be a whole number from 1",
        ),
        (
            {"branches": [{"stages": [{"maps": 4, "feature_taps": 2}]}]},
            r"feature_taps is 2; it must be odd",
        ),
        (
            {"branches": [{"stages": [{"maps": 4, "feature_pool": 13}]}]},
            "stages that pool",
        ),
    ],
)
def test_invalid_sizes(light_cnn: Any, said: str) -> None:
    fields = Fields(Path("config.json"), {"light_cnn": light_cnn})
    with pytest.raises(UserError, match=said):
        read_light_cnn(fields, 12)


def test_cached_hops_are_not_computed_again(tmp_path: Path) -> None:
    folder = saved(tmp_path, BY_HOPS)
    detector = load_detector(str(folder), precision="fp32", batch_buckets=(1, 2), warm=False)
    shared = detector._compiled
    assert isinstance(shared, SharedHops)
    network = read(folder).network
    generator = torch.Generator().manual_seed(3)
    streams = torch.randn(2, WINDOW + 3 * HOP, generator=generator).unfold(1, WINDOW, HOP)
    for at in range(4):
        windows = streams[:, at]
        with torch.no_grad():
            expected = network(windows, None)
        found = detector.score(windows.numpy(), np.full(2, WINDOW, np.int64))
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert shared.reused == 2 * at


def test_the_cache_of_hops_is_bounded(tmp_path: Path) -> None:
    detector = load_detector(
        str(saved(tmp_path, BY_HOPS)), precision="fp32", batch_buckets=(1,), warm=False
    )
    compiled = detector._compiled
    assert isinstance(compiled, SharedHops)
    few = SharedHops(compiled._compiled, hop_samples=HOP, kept=3)
    first = torch.randn(1, WINDOW)
    for windows in (first, torch.randn(1, WINDOW), torch.randn(1, WINDOW)):
        few(windows, None)
        assert len(few._rows) <= 3
    few(first, None)
    assert few.reused == 0
    size = few._table[0].nbytes
    small = SharedHops(compiled._compiled, hop_samples=HOP, kept_bytes=3 * size)
    small(torch.randn(4, WINDOW), None)
    assert len(small._rows) == 3
    # what is kept holds nothing else
    assert small._table.untyped_storage().nbytes() == 3 * size


def test_the_hops_used_last_are_kept(tmp_path: Path) -> None:
    folder = saved(tmp_path, BY_HOPS)
    detector = load_detector(str(folder), precision="fp32", batch_buckets=(1,), warm=False)
    compiled = detector._compiled
    assert isinstance(compiled, SharedHops)
    # a window has two hops, so there is room for two windows
    few = SharedHops(compiled._compiled, hop_samples=HOP, kept=4)
    network = read(folder).network
    one, two, three = torch.randn(3, 1, WINDOW, generator=torch.Generator().manual_seed(5))
    reused = [0, 0, 2, 2, 4, 4]
    for windows, expected in zip((one, two, one, three, one, two), reused, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(
                few(windows, None), network(windows, None), atol=1e-4, rtol=0
            )
        assert few.reused == expected


def test_a_window_shorter_than_its_last_hop(tmp_path: Path) -> None:
    folder = saved(tmp_path, BY_HOPS)
    detector = load_detector(str(folder), precision="fp32", batch_buckets=(1,), warm=False)
    windows = np.random.default_rng(0).normal(size=(1, WINDOW)).astype(np.float32)
    for length in (HOP // 2, HOP, HOP + 1, WINDOW):
        expected = transformers_log_odds(folder, windows, (length,), mask=True)
        found = detector.score(windows, np.array([length], np.int64))
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_short_windows_still_share_whole_hops(tmp_path: Path) -> None:
    folder = saved(tmp_path, BY_HOPS)
    detector = load_detector(str(folder), precision="fp32", batch_buckets=(3,), warm=False)
    shared = detector._compiled
    assert isinstance(shared, SharedHops)
    windows = np.random.default_rng(0).normal(size=(3, WINDOW)).astype(np.float32)
    lengths = (WINDOW, HOP // 2, HOP + HOP // 2)
    expected = transformers_log_odds(folder, windows, lengths, mask=True)
    for reused in (0, 3):
        found = detector.score(windows, np.array(lengths, np.int64))
        np.testing.assert_allclose(found, expected, atol=1e-3)
        assert shared.reused == reused
