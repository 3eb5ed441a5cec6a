"""Every compiled layout scores like its eager form, in batches and singly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dfd.detector import load_detector
from dfd.detector.files.state_dict import read
from dfd.detector.networks.aasist import Aasist
from dfd.detector.networks.nes2net import Nes2NetX, published_name
from dfd.detector.networks.ssl_aasist import SslAasist
from tests.detector.checkpoints import random_state
from tests.detector.files.layouts import test_aasist, test_on_backbones, test_raw_waveform
from tests.detector.plain.backbone import fairseq_state, make_backbone

Tensors = dict[str, Tensor]


def _ssl_aasist(model: Any) -> Tensors:
    head = SslAasist(32, 18, test_on_backbones.WIDTHS, test_on_backbones.GRAPHS)
    return fairseq_state(model, "ssl_model.model.") | random_state(head)


def _nes2net(model: Any) -> Tensors:
    head = random_state(Nes2NetX(test_on_backbones.NES2NET))
    named = {f"Nested_Res2Net_TDNN.{published_name(name)}": head[name] for name in head}
    return fairseq_state(model, "ssl_model.model.") | named


def _sls(model: Any) -> Tensors:
    with torch.no_grad():
        frames = model(torch.zeros(1, 64_600)).last_hidden_state.shape[1]
    return fairseq_state(model, "ssl_model.model.") | test_on_backbones.sls_state(frames)


def _antideepfake(model: Any) -> Tensors:
    head = {"proj_fc.weight": torch.randn(2, 32), "proj_fc.bias": torch.randn(2)}
    return fairseq_state(model, "m_ssl.model.") | head


STATES: dict[str, Callable[[Any], Tensors]] = {
    "aasist": lambda model: random_state(Aasist(test_aasist.SIZES)),
    "rawnet2": lambda model: test_raw_waveform.rawnet2_state(),
    "rawgat-st": lambda model: test_raw_waveform.rawgat_state(),
    "ssl-aasist": _ssl_aasist,
    "nes2net-x": _nes2net,
    "sls": _sls,
    "antideepfake": _antideepfake,
}


@pytest.mark.parametrize("layout", STATES)
def test_compiled_is_eager(layout: str, tmp_path: Path) -> None:
    torch.save(STATES[layout](make_backbone(tmp_path)), tmp_path / "net.pth")
    detector = load_detector(
        str(tmp_path / "net.pth"), device="cpu", precision="fp32", batch_buckets=[1, 2], warm=False
    )
    assert detector.spec.layout == layout
    size = detector.spec.window_samples
    noise = np.random.default_rng(6).standard_normal((2, size)).astype(np.float32)
    windows, lengths = 0.3 * noise, np.array([size, size // 2])
    # TorchScript optimises in the second run
    found = [detector.score(windows, lengths) for _ in range(2)][-1]
    short = windows[1, : size // 2]
    if detector.spec.padding == "repeat":
        short = np.resize(short, size)
    network = read(tmp_path / "net.pth").network
    with torch.no_grad():
        expected = [
            float(network(torch.from_numpy(one)[None], None)) for one in (windows[0], short)
        ]
    assert expected[0] != pytest.approx(expected[1], abs=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-3, rtol=1e-4)
