"""Checkpoints of published detectors: their layouts at true size, with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfd.benchmarks.model.networks import random_tensor, xls_r_shapes
from dfd.detector.files.layouts.fairseq import fairseq_name
from dfd.detector.networks import nes2net, rawnet2
from dfd.detector.networks.aasist import Aasist, AasistSizes
from dfd.detector.networks.graphs import GraphSizes
from dfd.detector.networks.nes2net import Nes2NetSizes, Nes2NetX
from dfd.detector.networks.rawgat_st import RawGatSt
from dfd.detector.networks.rawnet2 import RawNet2, RawNet2Sizes
from dfd.detector.networks.sls import LayerGate, SlsHead
from dfd.detector.networks.ssl_aasist import SslAasist

_State = dict[str, Tensor]
_HIDDEN = 1024  # of XLS-R 300M
_HEAT = (2.0, 2.0, 100.0)
_WIDE = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64)]
_NARROW = [(1, 32), (32, 32), (32, 24), (24, 24), (24, 24), (24, 24)]


def _aasist() -> _State:
    graphs = GraphSizes(64, 64, 32, (0.5, 0.7, 0.5), _HEAT)
    return _random(Aasist(AasistSizes(70, 129, _WIDE, graphs)))


def _aasist_l() -> _State:
    graphs = GraphSizes(24, 24, 32, (0.4, 0.5, 0.7), _HEAT)
    return _random(Aasist(AasistSizes(70, 129, _NARROW, graphs)))


def _rawnet2() -> _State:
    widths = [(20, 20), (20, 20), (20, 128), (128, 128), (128, 128), (128, 128)]
    state = _random(RawNet2(RawNet2Sizes(20, 1025, widths, hidden=1024, layers=3, inner=1024)))
    return {rawnet2.published_name(name): value for name, value in state.items()}


def _rawgat_st() -> _State:
    return _random(RawGatSt())


def _ssl_aasist() -> _State:
    graphs = GraphSizes(64, 64, 32, (0.5, 0.5, 0.5), _HEAT)
    return _xls_r("ssl_model.model.") | _random(SslAasist(_HIDDEN, 128, _WIDE, graphs))


def _sls() -> _State:
    # 201 frames of 1024 features, pooled by three in both directions
    head = _random(SlsHead(67 * 341, 1024)) | _random(LayerGate(_HIDDEN))
    return _xls_r("ssl_model.model.") | head


def _nes2net_x() -> _State:
    sizes = Nes2NetSizes(_HIDDEN, groups=8, width=16, squeezed=128, dilation=2, attentive=0)
    head = _random(Nes2NetX(sizes)).items()
    named = {f"Nested_Res2Net_TDNN.{nes2net.published_name(name)}": value for name, value in head}
    return _xls_r("ssl_model.model.") | named


def _antideepfake() -> _State:
    head = {"proj_fc.weight": torch.randn(2, _HIDDEN) / 32.0, "proj_fc.bias": torch.zeros(2)}
    return _xls_r("m_ssl.model.") | head


# name -> makes the tensors of its file; those with a backbone have XLS-R 300M
PUBLISHED: dict[str, Callable[[], _State]] = {
    "aasist": _aasist,
    "aasist-l": _aasist_l,
    "rawnet2": _rawnet2,
    "rawgat-st": _rawgat_st,
    "ssl-aasist": _ssl_aasist,
    "sls": _sls,
    "nes2net-x": _nes2net_x,
    "antideepfake": _antideepfake,
}


def write_published(name: str, folder: Path) -> Path:
    """Writes a checkpoint of a published layout.

    Args:
        name: one of `PUBLISHED`.
        folder: where to write it; created if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.pth"
    torch.manual_seed(0)
    torch.save(PUBLISHED[name](), path)
    return path


def _xls_r(prefix: str) -> _State:
    generator = torch.Generator().manual_seed(0)
    return {
        prefix + fairseq_name(name, grouped=False): random_tensor(name, shape, generator)
        for name, shape in xls_r_shapes().items()
    }


def _random(network: nn.Module) -> _State:
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Any] = network.state_dict()
    return {
        name: random_tensor(name, value.shape, generator)
        if value.dtype.is_floating_point
        else value
        for name, value in state.items()
    }
