import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfd.detector import engines, load_detector
from dfd.detector.files.transformers_folder import read
from dfd.detector.jsonfile import Fields
from dfd.detector.networks.light_cnn import Branch, LightCnnConfig, Stage
from dfd.detector.networks.log_mel import BANDS
from dfd.detector.networks.scoring import normalized
from dfd.detector.networks.sharing import SharedHops
from dfd.detector.networks.whisper_stem import (
    StemConfig,
    StemLayer,
    StemScoringNetwork,
    WhisperStem,
    read_stem,
)
from dfd.errors import UserError
from tests.detector.authors import save_light_cnn
from tests.detector.conftest import CARD, WINDOW
from tests.detector.reference import LENGTHS, transformers_log_odds

pytestmark = pytest.mark.slow

HOP = WINDOW // 2
SIZES = LightCnnConfig((Branch((Stage(4, frame_pool=2),), 6),), HOP)
STEM = StemConfig(states=12, heads=2, wide=20, places=4, hidden=5)
SECOND = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = save_light_cnn(tmp_path_factory.mktemp("stem"), SIZES, STEM)
    (made / "dfd.json").write_text(json.dumps(CARD | {"padding": "mask"}))
    return made


@pytest.fixture
def stem() -> WhisperStem:
    """A stem with random weights, for hops of up to a second."""
    torch.manual_seed(5)
    made = WhisperStem(StemConfig(states=12, heads=2, wide=20, places=25, hidden=5))
    for value in made.parameters():
        value.requires_grad_(False).add_(0.3 * torch.randn_like(value))
    return made.eval()


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_scores_as_transformers_does(
    engine: str, folder: Path, windows: NDArray[np.float32]
) -> None:
    if not engines.is_installed(engine):
        pytest.skip(f"the engine is not installed: pip install 'dfd[{engine}]'")
    expected = transformers_log_odds(folder, windows, LENGTHS, mask=True)
    assert expected.std() > 1e-2
    detector = load_detector(str(folder), engine=engine, precision="fp32", batch_buckets=(1, 4))
    scores = detector.score(windows, np.array(LENGTHS, np.int64))
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_the_stem_adds_to_the_score(folder: Path, windows: NDArray[np.float32]) -> None:
    network: Any = read(folder).network
    assert isinstance(network, StemScoringNetwork)
    sums = network.measure(torch.from_numpy(windows).view(-1, HOP), None).view(len(windows), 2, -1)
    stem, others = (network.odds(logits) for logits in network.apart(sums))
    assert min(stem.std(), others.std()) > 1e-2
    torch.testing.assert_close(network.join(sums), stem + others)


def test_the_layer_is_whispers() -> None:
    whisper: Any = importlib.import_module("transformers.models.whisper.modeling_whisper")
    configure: Any = importlib.import_module("transformers").WhisperConfig
    torch.manual_seed(2)
    config = configure(d_model=12, encoder_attention_heads=2, encoder_ffn_dim=20)
    config._attn_implementation = "sdpa"
    theirs = whisper.WhisperEncoderLayer(config).eval()
    ours = StemLayer(STEM)
    attention = theirs.self_attn
    nothing = torch.zeros(12)
    with torch.no_grad():
        for value in theirs.parameters():
            value.add_(0.3 * torch.randn_like(value))
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        biases = [attention.q_proj.bias, nothing, attention.v_proj.bias]
        ours.inputs.weight.copy_(torch.cat([part.weight for part in parts]))
        ours.inputs.bias.copy_(torch.cat(biases))
        for mine, other in (
            (ours.output, attention.out_proj),
            (ours.wide, theirs.fc1),
            (ours.narrow, theirs.fc2),
            (ours.norm, theirs.self_attn_layer_norm),
            (ours.last_norm, theirs.final_layer_norm),
        ):
            mine.load_state_dict(other.state_dict())
        x = torch.randn(2, 7, 12)
        found = theirs(x, attention_mask=None)
        expected = found[0] if isinstance(found, tuple) else found
        torch.testing.assert_close(ours(x, None), expected)


def test_the_convolutions_are_convolutions(stem: WhisperStem) -> None:
    waves = normalized(torch.randn(2, SECOND), None)
    mel = stem.log_mel(waves, None)

    def convolution(dense: Any, x: Tensor, stride: int) -> Tensor:
        weight = dense.weight.view(len(dense.weight), 3, -1).transpose(1, 2)
        y = nn.functional.conv1d(x, weight, dense.bias, stride=stride, padding=1)
        return nn.functional.gelu(y)

    x = convolution(stem.conv1, mel.transpose(1, 2), 1)
    y = convolution(stem.conv2, x, 4).transpose(1, 2)
    z = stem.layer(y + stem.positions, None)
    stages = [x.transpose(1, 2), y, z]
    means = [one.mean(dim=1) for one in stages]
    deviations = [one.std(dim=1, unbiased=False) for one in stages]
    found = stem.statistics(stem.measure(waves, None))
    torch.testing.assert_close(found, torch.cat(means + deviations, dim=1), atol=1e-3, rtol=1e-3)
    assert mel.shape == (2, 100, BANDS)


@pytest.mark.parametrize("samples", [SECOND, 9_999, 1_001, 640, 160])
def test_padding_is_not_heard(samples: int, stem: WhisperStem) -> None:
    counts = torch.tensor([samples])
    waves = normalized(torch.randn(1, samples), None)
    alone = stem.measure(waves, counts)
    padded = stem.measure(nn.functional.pad(waves, [0, SECOND - samples]), counts)
    torch.testing.assert_close(padded, alone, atol=1e-3, rtol=1e-4)
    assert padded[0, -2:].tolist() == [samples // 160, -(-(samples // 160) // 4)]


def test_a_hop_without_samples_adds_nothing(stem: WhisperStem) -> None:
    sums = stem.measure(torch.zeros(2, SECOND), torch.tensor([0, SECOND]))
    assert not sums[0].any()
    assert sums.isfinite().all()
    assert stem.judge(sums.unsqueeze(1)).isfinite().all()


def test_nan_stays_in_its_window(folder: Path) -> None:
    detector = load_detector(str(folder), precision="fp32", batch_buckets=(4,), warm=False)
    generator = np.random.default_rng(6)
    windows = generator.normal(size=(3, WINDOW)).astype(np.float32)
    lengths = np.full(3, WINDOW, np.int64)
    alone = [detector.score(windows[row : row + 1], lengths[:1])[0] for row in (0, 2)]
    windows[1, 100] = np.nan
    found = detector.score(windows, lengths)
    assert np.isnan(found[1])
    np.testing.assert_allclose(found[[0, 2]], alone, atol=1e-4)


def test_streams_share_hops(folder: Path) -> None:
    detector = load_detector(str(folder), precision="fp32", batch_buckets=(1, 2), warm=False)
    shared = detector._compiled
    assert isinstance(shared, SharedHops)
    network = read(folder).network
    streams = torch.randn(2, WINDOW + 3 * HOP, generator=torch.Generator().manual_seed(3))
    for at, windows in enumerate(streams.unfold(1, WINDOW, HOP).unbind(1)):
        with torch.no_grad():
            expected = network(windows, None)
        found = detector.score(windows.numpy(), np.full(2, WINDOW, np.int64))
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert shared.reused == 2 * at


@pytest.mark.parametrize(
    ("changes", "hop_samples", "said"),
    [
        ({"heads": 5}, HOP, "states is 12; it must be a multiple of heads"),
        ({"places": 2}, HOP, "places is 2; it must be at least 3 for light_cnn.hop_samples"),
        ({}, 0, "places is 4; it must be at least 0 for light_cnn.hop_samples, above 0"),
        ({"hidden": 0}, HOP, "hidden is 0; it must be a whole number from 1"),
    ],
)
def test_invalid_sizes(changes: dict[str, int], hop_samples: int, said: str) -> None:
    sizes = {"states": 12, "heads": 2, "wide": 20, "places": 4} | changes
    with pytest.raises(UserError, match=said):
        read_stem(Fields(Path("config.json"), {"whisper_stem": sizes}), hop_samples)


@pytest.mark.filterwarnings(r"ignore:`torch\.jit:DeprecationWarning")
def test_tones_are_told_from_noise_and_a_loud_tone_from_a_masked_one(stem: WhisperStem) -> None:
    time = torch.arange(SECOND) / SECOND
    tone, noise = torch.sin(2 * torch.pi * 700 * time), torch.randn(SECOND)
    # one frame in four looked at: noise in the others is heard all the same
    bursts = noise * (torch.arange(SECOND) % 640 < 160)
    waves = torch.stack([tone, tone + 1e-3 * noise, tone + 0.3 * noise, noise, tone + 0.3 * bursts])
    mel = stem.log_mel(normalized(waves, None), None)
    wanted = [True, True, False, False, False]
    assert stem.is_tone(mel).tolist() == wanted
    assert torch.jit.script(stem).is_tone(mel).tolist() == wanted
