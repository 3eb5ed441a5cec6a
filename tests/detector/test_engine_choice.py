"""`--engine auto`: what is installed is measured on a tiny model, and the outcome is kept."""

import logging
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dfd.detector import Detector, engine_choice, engines, fastest, load_detector, precision
from dfd.detector.agreement import Comparison
from dfd.detector.engines.target import Compiled, Target
from dfd.detector.fastest import Candidate, compile_fastest
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.network import Network
from dfd.detector.speeds import known_speed

from .conftest import BUCKETS

CPU = torch.device("cpu")
TORCHSCRIPT, OTHER = Candidate("torchscript", "fp32"), Candidate("openvino", "fp32")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DFD_CACHE_DIR", str(tmp_path / "cache"))
    # a second candidate that needs no other package, whatever this CPU is
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(engine_choice, "is_installed", lambda name: name == engines.TORCHSCRIPT)
    return tmp_path / "cache"


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "dfd.detector")
    return caplog


def load(folder: Path, engine: str = engines.AUTO, tolerance: float = 0.5) -> Detector:
    return load_detector(
        str(folder),
        device="cpu",
        engine=engine,
        tolerance=tolerance,
        batch_buckets=BUCKETS,
        warm=False,
    )


def test_what_is_installed_is_measured_once(
    folder: Path, messages: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "is_installed", engines.is_installed)
    first = load(folder)
    for engine in filter(engines.is_installed, engines.ENGINES):
        assert f"{engine} fp32 " in messages.text.partition("the fastest here, measured")[2]
    assert "measuring which engine is the fastest here: torchscript fp32" in messages.text
    assert f"engine {first.spec.engine} {first.spec.precision}: the fastest here" in messages.text
    speed = known_speed(first.spec.weights_sha256)
    assert speed is not None
    assert (speed.engine, speed.precision) == (first.spec.engine, first.spec.precision)
    assert speed.windows_per_second > 0
    messages.clear()
    again = load(folder)
    assert "measuring" not in messages.text
    assert "the fastest here when it was measured on" in messages.text
    assert (again.spec.engine, again.spec.precision) == (first.spec.engine, first.spec.precision)
    windows = np.random.default_rng(0).normal(0, 0.1, (2, first.spec.window_samples))
    lengths = np.full(2, first.spec.window_samples)
    expected = first.score(windows.astype(np.float32), lengths)
    found = again.score(windows.astype(np.float32), lengths)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_changed_condition_is_measured_again(
    folder: Path, messages: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder)
    monkeypatch.setattr(engine_choice, "cpu_identity", lambda: "another processor")
    messages.clear()
    load(folder)
    assert "measuring which engine is the fastest here" in messages.text


@pytest.mark.parametrize("content", ["{", "[1]", "\x00"])
def test_a_damaged_cache_is_ignored_with_a_warning(
    content: str, folder: Path, cache: Path, messages: pytest.LogCaptureFixture
) -> None:
    cache.mkdir()
    (cache / "models.json").write_text(content)
    load(folder)
    assert f"{cache / 'models.json'} is damaged and is ignored" in messages.text
    assert "measuring which engine is the fastest here" in messages.text
    messages.clear()
    load(folder)
    assert "measuring" not in messages.text


def test_without_a_measurement_known_is_torchscript(
    folder: Path, messages: pytest.LogCaptureFixture
) -> None:
    assert load(folder, engines.KNOWN).spec.engine == engines.TORCHSCRIPT
    assert "measuring" not in messages.text


def test_known_follows_the_measurement(folder: Path, messages: pytest.LogCaptureFixture) -> None:
    measured = load(folder)
    messages.clear()
    spec = load(folder, engines.KNOWN).spec
    assert (spec.engine, spec.precision) == (measured.spec.engine, measured.spec.precision)
    assert "measuring" not in messages.text


def test_the_bundled_model_is_not_measured(messages: pytest.LogCaptureFixture) -> None:
    detector = load_detector(
        device="cpu", precision="fp32", engine=engines.AUTO, batch_buckets=(1,), warm=False
    )
    assert detector.spec.engine == engines.TORCHSCRIPT
    assert "measuring" not in messages.text


class Timed:
    """A network that scores like another, and takes this long by a clock of its own."""

    now = 0.0

    def __init__(self, compiled: Compiled, seconds: float, offset: float = 0.0) -> None:
        self._compiled, self._seconds, self._offset = compiled, seconds, offset

    def __call__(self, windows: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        Timed.now += self._seconds
        return self._compiled(windows, lengths) + self._offset


@pytest.mark.parametrize(
    ("seconds", "offset", "taken"),
    [
        ({"torchscript": 0.02, "openvino": 0.01}, 0.0, OTHER),
        ({"torchscript": 0.01, "openvino": 0.02}, 0.0, TORCHSCRIPT),
        # around the least gain, three hundredths
        ({"torchscript": 1.02, "openvino": 1.0}, 0.0, TORCHSCRIPT),
        ({"torchscript": 1.04, "openvino": 1.0}, 0.0, OTHER),
        # scores differently
        ({"torchscript": 0.02, "openvino": 0.01}, 9.0, TORCHSCRIPT),
    ],
)
def test_another_engine_is_taken_if_it_is_faster_and_scores_alike(
    seconds: dict[str, float],
    offset: float,
    taken: Candidate,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = engines.compile_network

    def compiled(network: Network, target: Target, engine: str) -> Compiled:
        made = real(network, target, engines.TORCHSCRIPT)
        return Timed(made, seconds[engine], offset if engine == "openvino" else 0.0)

    monkeypatch.setattr(fastest, "compile_network", compiled)
    monkeypatch.setattr(time, "perf_counter", lambda: Timed.now)
    checkpoint = read_checkpoint(str(folder))
    comparison = Comparison(checkpoint, CPU, 0.01)
    outcome = compile_fastest(checkpoint, [TORCHSCRIPT, OTHER], comparison, batches=(1, 2))
    assert outcome.taken == taken
    assert set(outcome.windows_per_second) == {str(TORCHSCRIPT), str(OTHER)}


def test_an_engine_that_cannot_run_the_model_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, messages: pytest.LogCaptureFixture
) -> None:
    real = engines.compile_network

    def compiled(network: Network, target: Target, engine: str) -> Compiled:
        if engine == "openvino":
            raise RuntimeError("no such operator\nand a long trace")
        return real(network, target, engine)

    monkeypatch.setattr(fastest, "compile_network", compiled)
    checkpoint = read_checkpoint(str(folder))
    comparison = Comparison(checkpoint, CPU, 0.01)
    outcome = compile_fastest(checkpoint, [TORCHSCRIPT, OTHER], comparison, batches=(1,))
    assert outcome.taken == TORCHSCRIPT
    assert "openvino fp32 cannot run this model: no such operator" in messages.text
    assert "long trace" not in messages.text


@pytest.mark.parametrize(
    ("free", "seconds", "lack"), [(1_000, 60.0, "memory"), (None, 0.0, "time")]
)
def test_nothing_is_loaded_beyond_memory_and_time(
    free: int | None,
    seconds: float,
    lack: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    messages: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(fastest, "free_memory", lambda: free)
    checkpoint = read_checkpoint(str(folder))
    outcome = compile_fastest(
        checkpoint,
        [TORCHSCRIPT, OTHER],
        Comparison(checkpoint, CPU, 0.01),
        batches=(1,),
        seconds=seconds,
    )
    assert outcome.taken == TORCHSCRIPT
    assert f"openvino fp32 was not measured: too little {lack}" in messages.text
