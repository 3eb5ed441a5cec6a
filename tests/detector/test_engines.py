from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfd.detector import engines, load_detector
from dfd.detector.engines.target import Target
from dfd.errors import UserError

from .conftest import WINDOW, MakeFolder
from .reference import LENGTHS

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.mark.parametrize("engine", [engines.OPENVINO, engines.ONNX])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_every_engine_scores_like_torchscript(
    engine: str, norm: str, make_folder: MakeFolder, windows: NDArray[np.float32]
) -> None:
    if not engines.is_installed(engine):
        pytest.skip(f"the engine is not installed: pip install 'dfd[{engine}]'")
    folder = str(make_folder(feat_extract_norm=norm))
    lengths = np.array(LENGTHS, np.int64)
    options: dict[str, Any] = {"precision": "fp32", "batch_buckets": (1, 4), "warm": False}
    expected = load_detector(folder, **options).score(windows, lengths)
    detector = load_detector(folder, engine=engine, **options)
    assert detector.spec.engine == engine
    np.testing.assert_allclose(detector.score(windows, lengths), expected, atol=1e-3)
    whole = np.full(len(windows), WINDOW, np.int64)
    np.testing.assert_allclose(
        detector.score(windows, whole),
        load_detector(folder, **options).score(windows, whole),
        atol=1e-3,
    )


class Means(torch.nn.Module):
    """A network that does not look at the lengths, like those that see a window repeated."""

    def forward(self, windows: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        return windows.mean(dim=1)


@pytest.mark.parametrize("engine", [engines.OPENVINO, engines.ONNX])
def test_every_engine_runs_a_network_without_lengths(
    engine: str, windows: NDArray[np.float32]
) -> None:
    if not engines.is_installed(engine):
        pytest.skip(f"the engine is not installed: pip install 'dfd[{engine}]'")
    network: Any = Means()
    target = Target(
        device=CPU,
        precision="fp32",
        window_samples=WINDOW,
        hop_samples=WINDOW // 2,
        samples=windows,
    )
    compiled = engines.compile_network(network, target, engine)
    for lengths in (None, torch.tensor(LENGTHS)):
        found = compiled(torch.from_numpy(windows), lengths)
        np.testing.assert_allclose(found, windows.mean(axis=1), atol=1e-6)


def test_auto_is_torchscript() -> None:
    assert engines.choose(engines.AUTO, CPU) == engines.TORCHSCRIPT


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "is_installed", lambda name: False)
    with pytest.raises(UserError, match=r"not installed: pip install 'dfd\[openvino\]'"):
        engines.choose(engines.OPENVINO, CPU)


def test_other_engines_are_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "is_installed", lambda name: True)
    with pytest.raises(UserError, match="runs on the CPU only"):
        engines.choose(engines.ONNX, torch.device("cuda", 0))


def test_a_precision_that_an_engine_lacks_is_refused(folder: Path) -> None:
    if not engines.is_installed(engines.ONNX):
        pytest.skip("the engine is not installed: pip install 'dfd[onnx]'")
    silence = np.zeros((1, WINDOW), np.float32)
    target = engines.Target(CPU, "int8", WINDOW, WINDOW // 2, silence)
    from dfd.detector.files.read import read_checkpoint

    network = read_checkpoint(str(folder)).network
    with pytest.raises(UserError, match="engine onnx does not compute in int8"):
        engines.compile_network(network, target, engines.ONNX)
