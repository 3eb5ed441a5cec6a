"""RawNet2 and RawGAT-ST."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dfd.detector.files.state_dict import read
from dfd.detector.networks.rawgat_st import RawGatSt
from dfd.detector.networks.rawnet2 import RawNet2, RawNet2Sizes, published_name
from dfd.detector.overrides import ModelOverrides
from dfd.errors import UserError
from tests.detector.checkpoints import random_state
from tests.detector.plain import heads as plain

WINDOW = 64_600


def rawnet2_state() -> dict[str, Tensor]:
    widths = [(4, 4), (4, 4), (4, 8), (8, 8), (8, 8), (8, 8)]
    network = RawNet2(RawNet2Sizes(4, 1_025, widths, hidden=6, layers=2, inner=5))
    state = {published_name(name): value for name, value in random_state(network).items()}
    for block in range(1, 6):  # present but not used
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"block{block}.0.bn1.{part}"] = torch.ones(widths[block][0])
    return state


def rawgat_state() -> dict[str, Tensor]:
    state = random_state(RawGatSt(), spread=0.6)
    for encoder in (1, 2):
        for block in range(1, 6):
            state[f"encoder{encoder}.{block}.0.conv_1.weight"] = torch.ones(1)
            state[f"encoder{encoder}.{block}.0.conv_1.bias"] = torch.ones(1)
    return state


def doubled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Converts to float64: of these random networks some draws amplify float32's rounding."""
    return {name: value.double() for name, value in state.items()}


def odds(logits: Tensor) -> Tensor:
    return (logits[0] - logits[1])[None]


def test_rawnet2_matches_its_plain_forward_pass(tmp_path: Path) -> None:
    torch.save(state := rawnet2_state(), tmp_path / "pre_trained.pth")
    checkpoint = read(tmp_path / "pre_trained.pth")
    assert (checkpoint.layout, checkpoint.spoof_label) == ("rawnet2", "0")
    assert checkpoint.card.padding == "repeat"
    samples = torch.randn(1, WINDOW // 4)
    with torch.no_grad():
        expected = odds(plain.rawnet2(doubled(state), samples[0].double(), 4))
        found = checkpoint.network.double()(samples.double(), None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_rawgat_st_matches_its_plain_forward_pass(tmp_path: Path) -> None:
    torch.save(state := rawgat_state(), tmp_path / "Best_epoch.pth")
    checkpoint = read(tmp_path / "Best_epoch.pth")
    assert checkpoint.layout == "rawgat-st"
    samples = torch.randn(1, WINDOW)
    with torch.no_grad():
        expected = odds(plain.rawgat_st(doubled(state), samples[0].double()))
        found = checkpoint.network.double()(samples.double(), None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_rawgat_st_takes_its_own_window_only(tmp_path: Path) -> None:
    torch.save(rawgat_state(), tmp_path / "Best_epoch.pth")
    with pytest.raises(UserError, match="takes windows of 64600 samples only"):
        read(tmp_path / "Best_epoch.pth", ModelOverrides(window_seconds=2.0))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    state = rawnet2_state()
    del state["fc_attention3.0.bias"]
    torch.save(state, tmp_path / "pre_trained.pth")
    with pytest.raises(UserError, match=r"lacks fc_attention3\.0\.bias|lacks fc_attention3"):
        read(tmp_path / "pre_trained.pth")
