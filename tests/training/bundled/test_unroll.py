import dataclasses
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.frames import lay_out
from dfd.detector.networks.spectrogram import SpectrogramExtractor, SpectrogramOptions
from dfd.errors import UserError
from dfd.training.bundled.export import write_weights
from dfd.training.bundled.network import Network, NetworkOptions
from dfd.training.bundled.unroll import written_out
from dfd.training.material.augment import normalise
from tests.detector.conftest import scoring_network
from tests.training.bundled.test_network import BY_HOPS, SMALL, trained

WAVES = torch.randn(3, 24_000, generator=torch.Generator().manual_seed(1))
WAVES[2, 15_000:] = 0.0
LENGTHS = torch.tensor([24_000, 24_000, 15_000])


# networks on whole windows, by hops, and both together
HOP_SAMPLES = BY_HOPS.hop_samples
KINDS = {"window": ((SMALL,), 0), "hops": ((BY_HOPS, SMALL), HOP_SAMPLES)}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(kind: str) -> Any:
    options, hop_samples = KINDS[kind]
    return written_out([trained(one) for one in options], [0.75] * len(options), hop_samples)


def wanted_odds(kind: str) -> torch.Tensor:
    """Returns the networks' log-odds in training, those of the second one by hops too."""
    options, hop_samples = KINDS[kind]
    heard = [dataclasses.replace(one, hop_samples=hop_samples) for one in options]
    with torch.no_grad():
        said = [
            0.75 * trained_as(one, how)(WAVES, LENGTHS)
            for one, how in zip(options, heard, strict=True)
        ]
    return torch.stack(said).sum(0)


def trained_as(options: NetworkOptions, heard: NetworkOptions) -> Network:
    network = Network(heard)
    network.load_state_dict(trained(options).state_dict())
    return network.eval()


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_weights(model, folder)
    return folder


def by_transformers(model: Any) -> torch.Tensor:
    mask = (torch.arange(WAVES.shape[1]) < LENGTHS[:, None]).long()
    waves = WAVES if model.hop_samples else normalise(WAVES, LENGTHS)
    with torch.no_grad():
        logits = model(waves, attention_mask=mask).logits
    odds: torch.Tensor = logits[:, 1] - logits[:, 0]
    return odds


def test_scores_match_those_of_training(model: Any, kind: str) -> None:
    wanted = wanted_odds(kind)
    assert wanted.std() > 1e-3
    assert torch.allclose(by_transformers(model), wanted, atol=2e-3)


def test_the_backbone_gives_the_spectrogram(model: Any) -> None:
    waves = normalise(WAVES[:2], LENGTHS[:2])
    with torch.no_grad():
        states = model.wav2vec2(waves).last_hidden_state
        wanted = trained().spectrogram(waves)
    assert torch.allclose(states, wanted, atol=5e-3)


def test_the_detector_reads_it(folder: Path, model: Any) -> None:
    network = read_checkpoint(str(folder)).network
    with torch.no_grad():
        assert torch.allclose(network(WAVES, LENGTHS), by_transformers(model), atol=1e-3)


def test_the_shortcut_gives_the_same_scores(folder: Path) -> None:
    network = scoring_network(folder)
    with torch.no_grad():
        wanted = network(WAVES, LENGTHS)
        short = lay_out(network)
        assert isinstance(short.feature_extractor, SpectrogramExtractor)
        assert torch.allclose(short(WAVES, LENGTHS), wanted, atol=2e-3)


def test_a_spectrogram_that_differs_from_the_weights_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    content = json.loads(config.read_text())
    content["spectrogram"]["floor"] *= 2
    config.write_text(json.dumps(content))
    with pytest.raises(UserError, match="do not compute the spectrogram that it describes"):
        read_checkpoint(str(tmp_path / "model"))


def test_transformers_loads_all_of_it(
    folder: Path, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamic: Any = importlib.import_module("transformers.dynamic_module_utils")
    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path))
    transformers: Any = importlib.import_module("transformers")
    loaded = transformers.AutoModelForAudioClassification.from_pretrained(
        folder, trust_remote_code=True
    ).eval()
    assert loaded.config.id2label == {0: "bonafide", 1: "spoof"}
    assert torch.equal(by_transformers(loaded), by_transformers(model))


def test_sizes_are_written_down(model: Any) -> None:
    assert model.config.hidden_size == SMALL.spectrogram.features
    assert model.config.num_hidden_layers == 0
    for branch in model.config.light_cnn["branches"]:
        assert [stage["maps"] for stage in branch["stages"]] == [4, 6]


def test_joined_networks_share_one_spectrogram() -> None:
    other = dataclasses.replace(SMALL, spectrogram=SpectrogramOptions(bands=14))
    with pytest.raises(ValueError, match="the same spectrogram"):
        written_out([trained(), trained(other)], [0.5, 0.5], 0)
