"""Exported files score as the model does here, on full windows and on short ones."""

import json
import warnings
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
import torch

from dfd.cli.main import cli
from dfd.detector import load_detector
from dfd.detector.agreement import probe
from dfd.detector.export import networks
from dfd.detector.export.facts import LENGTHS, SCORES, WINDOWS, Facts
from dfd.detector.files.read import read_checkpoint
from dfd.errors import UserError
from tests.detector.authors import save_small_top_four


def export(*arguments: str | Path) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["export", *map(str, arguments)])


@pytest.fixture(params=["bundled", "top-four"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A model that hears windows by hops, and one with a transformer."""
    if request.param == "bundled":
        return "bundled"
    return str(save_small_top_four(tmp_path))


def expected(model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    windows, lengths = probe(read_checkpoint(model))
    detector = load_detector(model, device="cpu", precision="fp32", threads=1, warm=False)
    return windows, lengths, detector.score(windows, lengths)


def loaded(path: str | Path) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.load` is", DeprecationWarning)
        load: Any = torch.jit.load
        return load(path)


def test_torchscript_scores_as_the_model(model: str, tmp_path: Path) -> None:
    windows, lengths, llrs = expected(model)
    result = export(
        *("--format", "torchscript", "--file-only", model, "--out", tmp_path / "out", "--json")
    )
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    facts = Facts.from_json((tmp_path / "out" / "dfd.json").read_text())
    assert facts.spec.weights_sha256 == read_checkpoint(model).weights_sha256
    network = loaded(told["file"])
    with torch.inference_mode():
        odds = network(torch.from_numpy(windows), torch.from_numpy(lengths).unsqueeze(1))
    assert odds.shape == (len(windows), 1)
    assert facts.spec.calibration.apply(odds.numpy()[:, 0]) == pytest.approx(llrs, abs=1e-3)


def test_onnx_scores_as_the_model(model: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install 'dfd[onnx]'")
    pytest.importorskip("onnx", reason="pip install 'dfd[onnx]'")
    windows, lengths, llrs = expected(model)
    result = export("--format", "onnx", "--file-only", model, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    session = onnxruntime.InferenceSession(
        tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    for count in (1, len(windows)):
        given = {WINDOWS: windows[:count], LENGTHS: lengths[:count, None]}
        (odds,) = session.run([SCORES], given)
        calibration = read_checkpoint(model).card.calibration
        assert calibration.apply(odds[:, 0]) == pytest.approx(llrs[:count], abs=1e-3)


@pytest.mark.parametrize(
    ("form", "backend", "file"),
    [
        ("triton", "pytorch", "model.pt"),
        ("torchscript", "pytorch", "model.pt"),
        ("onnx", "onnxruntime", "model.onnx"),
    ],
)
def test_every_format_is_a_repository_with_dynamic_batching_and_the_facts(
    form: str, backend: str, file: str, tmp_path: Path
) -> None:
    if form == "onnx":
        pytest.importorskip("onnx", reason="pip install 'dfd[onnx]'")
    config_pb2 = pytest.importorskip(
        "tritonclient.grpc.model_config_pb2", reason="pip install 'dfd[triton]'"
    )
    from google.protobuf import text_format

    result = export(
        *("bundled", "--format", form, "--out", tmp_path),
        *("--max-batch-size", "24", "--queue-delay-seconds", "0.004"),
    )
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "bundled" / "1" / file).is_file()
    config = text_format.Parse(
        (tmp_path / "bundled" / "config.pbtxt").read_text(), config_pb2.ModelConfig()
    )
    assert (config.name, config.backend, config.max_batch_size) == ("bundled", backend, 24)
    assert config.default_model_filename == file
    assert config.dynamic_batching.max_queue_delay_microseconds == 4000
    facts = Facts.from_json(config.parameters["dfd"].string_value)
    assert facts.spec.batch_buckets == (1, 2, 4, 8, 16, 24)
    assert list(config.input[0].dims) == [facts.spec.window_samples]
    assert facts.spec.card_text == read_checkpoint("bundled").card.text


def test_half_precision_is_close(tmp_path: Path) -> None:
    model = str(save_small_top_four(tmp_path))
    windows, lengths, llrs = expected(model)
    result = export(model, "--out", tmp_path / "out", "--precision", "bf16", "--json")
    assert result.exit_code == 0, result.stderr
    network = loaded(json.loads(result.stdout)["file"])
    assert any(one.dtype == torch.bfloat16 for one in network.parameters())
    with torch.inference_mode():
        odds = network(torch.from_numpy(windows), torch.from_numpy(lengths).unsqueeze(1))
    found = read_checkpoint(model).card.calibration.apply(odds.numpy()[:, 0])
    assert 1 / (1 + np.exp(-found)) == pytest.approx(1 / (1 + np.exp(-llrs)), abs=0.01)


def test_half_precision_that_is_not_close_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "TOLERANCE", 1e-9)
    result = export(save_small_top_four(tmp_path), "--out", tmp_path / "out", "--precision", "bf16")
    assert result.exit_code == 2
    assert "bf16 changes P(spoof) of this model by up to 0." in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bundled", "--format", "onnx", "--precision", "fp16"), "fp32 only"),
        (("bundled", "--precision", "bf16"), "this model does not run in bf16"),
        (("bundled", "--precision", "fp16"), "use --precision fp32"),
        (("nowhere",), "no model folder or file nowhere"),
    ],
)
def test_what_cannot_be_exported_is_reported(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    result = export(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_facts_of_another_version_are_refused() -> None:
    with pytest.raises(UserError, match="export it again"):
        Facts.from_json('{"spec": {}}')
