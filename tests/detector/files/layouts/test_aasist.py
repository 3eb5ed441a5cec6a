import csv
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from dfd.detector import Detector, ModelOverrides, load_detector
from dfd.detector.files.state_dict import read
from dfd.detector.networks.aasist import Aasist, AasistSizes
from dfd.detector.networks.graphs import GraphSizes
from dfd.errors import UserError
from dfd.offline.recording import score_recording
from dfd.streaming.options import AudioFormat
from dfd.streaming.types import Encoding
from tests.detector.checkpoints import CHECKPOINTS, CORPUS, needs_checkpoints, random_state
from tests.detector.plain import graphs as plain

SHORT = 8_000
WIDTHS = [(1, 32), (32, 32), (32, 24), (24, 24), (24, 24), (24, 24)]
RATIOS = (0.4, 0.5, 0.7)
SIZES = AasistSizes(70, 129, WIDTHS, GraphSizes(24, 24, 32, RATIOS, (2.0, 2.0, 100.0)))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Makes random tensors of AASIST-L, including the norms that are not used."""
    tensors = random_state(Aasist(SIZES))
    for block in range(1, 6):
        width = WIDTHS[block][0]
        for part in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"encoder.{block}.0.bn1.{part}"] = torch.randn(width)
        tensors[f"encoder.{block}.0.bn1.num_batches_tracked"] = torch.tensor(7)
    return tensors


def save(state: dict[str, Tensor], folder: Path, **card: Any) -> Path:
    torch.save(state, folder / "net.pth")
    if card:
        (folder / "dfd.json").write_text(json.dumps(card))
    return folder / "net.pth"


def test_logits_match_a_plain_forward_pass(state: dict[str, Tensor], tmp_path: Path) -> None:
    samples = torch.randn(2, SHORT, generator=torch.Generator().manual_seed(2))
    samples *= torch.tensor([[0.02], [1.0]])
    network: Any = read(save(state, tmp_path)).network
    with torch.no_grad():
        found = network.classifier(samples)
        expected = torch.stack([plain.aasist(state, one, RATIOS) for one in samples])
    assert (expected[:, 0] - expected[:, 1]).diff().abs() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_properties(state: dict[str, Tensor], tmp_path: Path) -> None:
    checkpoint = read(save(state, tmp_path))
    card = checkpoint.card
    assert (checkpoint.layout, checkpoint.spoof_label) == ("aasist", "0")
    assert (card.window_samples, card.hop_samples) == (64_600, 32_300)
    assert (card.padding, card.normalize, card.utterance_score) == ("repeat", False, "first")


def test_batches_are_small_on_a_cpu(state: dict[str, Tensor], tmp_path: Path) -> None:
    detector = load_detector(str(save(state, tmp_path)), device="cpu", warm=False)
    assert (detector.spec.batch_buckets, detector.spec.precision) == ((1, 2, 4), "fp32")


def test_a_short_window_is_repeated(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = save(state, tmp_path, window_samples=SHORT)
    detector = load_detector(str(path), device="cpu", batch_buckets=[1, 2], warm=False)
    noise = np.random.default_rng(4).standard_normal(SHORT).astype(np.float32) * 0.2
    short = np.zeros((2, SHORT), np.float32)
    short[0, :3_000], short[1] = noise[:3_000], np.resize(noise[:3_000], SHORT)
    one, whole = detector.score(short, np.array([3_000, SHORT]))
    assert one == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("prefix", ["module.", "model.detector."])
def test_leftovers_of_training_are_ignored_and_named(
    prefix: str, state: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = {prefix + name: value for name, value in state.items()}
    tensors["criterion.weight"] = torch.ones(2)
    tensors |= {f"ema.{name}": value for name, value in state.items()}
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "last.ckpt")
    samples = torch.randn(1, SHORT)
    with caplog.at_level(logging.INFO, "dfd.detector"):
        found = read(tmp_path / "last.ckpt").network(samples, None)
    assert "criterion.weight" in caplog.text
    assert "epoch next to state_dict ignored" in caplog.text
    assert f'under the prefix "{prefix}"' in caplog.text
    assert "left over from training and ignored" in caplog.text
    torch.testing.assert_close(found, read(save(state, tmp_path)).network(samples, None))


def test_what_is_missing_or_left_over_is_named(state: dict[str, Tensor], tmp_path: Path) -> None:
    lacking = {name: value for name, value in state.items() if name != "pool_T.proj.bias"}
    with pytest.raises(UserError, match=r"net\.pth lacks pool_T\.proj\.bias: it does not"):
        read(save(lacking, tmp_path))
    with pytest.raises(UserError, match=r"has extra\.weight left over"):
        read(save(state | {"extra.weight": torch.ones(1)}, tmp_path))
    lacking = {name: value for name, value in state.items() if "encoder.3.0.conv1" not in name}
    with pytest.raises(UserError, match=r"lacks encoder\.3\.0\.conv1\.weight"):
        read(save(lacking, tmp_path))


def test_other_sizes_need_their_configuration(tmp_path: Path) -> None:
    widths = [(1, 8), (8, 8), (8, 16), (16, 16), (16, 16), (16, 16)]
    ratios = (0.6, 0.5, 0.5)
    sizes = AasistSizes(70, 129, widths, GraphSizes(16, 12, 10, ratios, (2.0, 2.0, 100.0)))
    path = save(state := random_state(Aasist(sizes)), tmp_path)
    with pytest.raises(UserError, match=r"graphs of 12 and 10 features: .* as net\.conf"):
        read(path)
    config = {"pool_ratios": [*ratios, 0.5], "temperatures": [2.0, 2.0, 100.0, 100.0]}
    path.with_suffix(".conf").write_text(json.dumps({"model_config": config}))
    samples = torch.randn(SHORT)
    logits = plain.aasist(state, samples, ratios)
    found = read(path).network(samples[None], None)
    torch.testing.assert_close(found, (logits[0] - logits[1])[None], atol=1e-4, rtol=1e-4)


def test_unsupported_settings_are_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = save(state, tmp_path)
    with pytest.raises(UserError, match="sees whole windows: set its padding to repeat or"):
        read(path, ModelOverrides(padding="mask"))
    with pytest.raises(UserError, match="takes samples without normalisation"):
        read(path, ModelOverrides(normalize=True))
    with pytest.raises(UserError, match=r"bf16|fp32"):
        load_detector(str(path), device="cpu", precision="bf16")


@pytest.fixture(scope="module")
def detector(name: str) -> Detector:
    return load_detector(
        str(CHECKPOINTS / f"{name}.pth"), device="cpu", batch_buckets=[1, 3], warm=False
    )


@pytest.fixture(scope="module")
def rows(name: str) -> list[dict[str, str]]:
    """Three recordings, one of which is shorter than a window."""
    with (CHECKPOINTS / "expected.tsv").open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["checkpoint"] == name]
    short = [r for r in rows if soundfile.info(CORPUS / r["file"]).frames < 64_600]
    return [rows[0], rows[-1], *short[:1]]


@needs_checkpoints
@pytest.mark.parametrize("name", ["AASIST", "AASIST-L"], scope="module")
def test_published_scores_in_a_batch_and_singly(
    detector: Detector, rows: list[dict[str, str]]
) -> None:
    windows, lengths = np.zeros((len(rows), 64_600), np.float32), []
    for row, window in zip(rows, windows, strict=True):
        samples, _ = soundfile.read(CORPUS / row["file"], dtype="float32", frames=64_600)
        window[: len(samples)] = samples
        lengths.append(len(samples))
    expected = [float(row["logit_spoof"]) - float(row["logit_bonafide"]) for row in rows]
    counts = np.array(lengths)
    np.testing.assert_allclose(detector.score(windows, counts), expected, atol=1e-4)
    single = detector.score(windows[-1:], counts[-1:])
    np.testing.assert_allclose(single, expected[-1:], atol=1e-4)


@needs_checkpoints
@pytest.mark.parametrize("name", ["AASIST", "AASIST-L"], scope="module")
def test_published_scores_through_a_stream(detector: Detector, rows: list[dict[str, str]]) -> None:
    row = rows[-1]
    samples, rate = soundfile.read(CORPUS / row["file"], dtype="float32")
    chunks = [part.tobytes() for part in np.array_split(samples[:66_000], 7)]
    [track] = score_recording(chunks, AudioFormat(Encoding.FLOAT32, rate), detector)
    logits = torch.tensor([float(row["logit_spoof"]), float(row["logit_bonafide"])])
    assert track.utterance_probability == pytest.approx(float(logits.softmax(0)[0]), abs=1e-4)
