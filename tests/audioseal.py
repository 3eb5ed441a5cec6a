"""AudioSeal's detector with random weights, in the layouts that its authors' code reads."""

import importlib.util
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfd.detector.watermarks.audioseal import AudioSealReader
from tests.detector.checkpoints import random_state

INSTALLED = importlib.util.find_spec("audioseal") is not None
REASON = "AudioSeal's package is not installed: pip install audioseal"
BITS = 16
# how a convolution is stored
LAYOUTS = ("whole", "older", "weight_g", "parametrized")
_ALWAYS = 1000.0


def state(*, marked: bool | None = None) -> dict[str, Tensor]:
    """Returns tensors under the authors' names; all samples can be made marked, or none."""
    found = random_state(AudioSealReader(BITS))
    if marked is not None:
        found["head.bias"][1] = _ALWAYS if marked else -_ALWAYS
    return {_theirs(name): value for name, value in found.items()}


def write(path: Path, layout: str = "whole", **facts: Any) -> Path:
    """Writes a file such as detector_base.pth."""
    torch.save({"model": _as(layout, state(**facts)), "xp.cfg": {"nbits": BITS}}, path)
    return path


def own_detector() -> Any:
    """Returns the detector of AudioSeal's own package, with the same weights."""
    with warnings.catch_warnings():  # the package compiles parts by an old function of torch
        warnings.simplefilter("ignore")
        from audioseal.libs.moshi.modules.seanet import SEANetEncoderKeepDimension
        from audioseal.models import AudioSealDetector

    encoder = SEANetEncoderKeepDimension(n_residual_layers=1, pad_mode="constant", lstm=2)
    detector = AudioSealDetector(encoder, nbits=BITS)
    detector.load_state_dict(state())
    return detector.eval()


def _theirs(ours: str) -> str:
    for pattern, name in (
        (r"^spread\.", "detector.0.reverse_convolution."),
        (r"^head\.", "detector.1."),
        (
            r"^encoder\.((?:\d+\.block\.)?\d+)\.(weight|bias)$",
            r"encoder.\1.conv.conv.inner_conv.\2",
        ),
        (r"^encoder\.", "detector.0.model."),
    ):
        ours = re.sub(pattern, name, ours)
    return ours


def _as(layout: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if layout == "whole":
        return tensors
    written = {}
    for name, value in tensors.items():
        name = name.replace(".inner_conv", "")
        if layout == "older" or not name.endswith("conv.weight"):
            written[name] = value
            continue
        length = value.flatten(1).norm(dim=1).view(-1, 1, 1)
        stem = name.removesuffix("weight")
        pair = ("weight_g", "weight_v")
        if layout == "parametrized":
            pair = ("parametrizations.weight.original0", "parametrizations.weight.original1")
        written |= {stem + pair[0]: length, stem + pair[1]: 3.0 * value}
    return written
