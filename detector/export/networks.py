"""Writes a checkpoint as a file that runs without dfd."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dfd.detector.agreement import probabilities, probe
from dfd.detector.engines import is_installed
from dfd.detector.engines.torchscript import place
from dfd.detector.export.facts import LENGTHS, SCORES, WINDOWS, Facts
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.networks.network import Network, runs_in
from dfd.detector.networks.scoring import ScoringNetwork
from dfd.detector.precision import DTYPES, FP32, TOLERANCE
from dfd.errors import UserError

TORCHSCRIPT, ONNX = "torchscript", "onnx"
PRECISIONS = tuple(DTYPES)
_OPSET = 17


class _Columns(nn.Module):
    """A network whose lengths and scores have a second dimension of one, as batching servers want.

    It always gets lengths, so that full and short windows can share a batch.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Takes windows (B, N) and lengths (B, 1) to log-odds (B, 1)."""
        scores: Tensor = self.network(windows, lengths.reshape(-1))
        # the exporter would drop an input that a network does not use
        return scores.float().unsqueeze(1) + 0.0 * lengths.float()


def facts(checkpoint: Checkpoint, form: str, precision: str, max_batch_size: int) -> Facts:
    """Returns the facts of a model that is exported."""
    powers = [1 << power for power in range(max_batch_size.bit_length())]
    spec = checkpoint.spec(
        device="remote",
        precision=precision,
        engine=form,
        batch_buckets=tuple(sorted({*powers, max_batch_size})),
    )
    return Facts(spec, checkpoint.least_samples)


def check(checkpoint: Checkpoint, form: str, precision: str) -> None:
    """Checks that a model can be exported, before the work.

    Raises:
        UserError: if it cannot.
    """
    if form == ONNX and precision != FP32:
        raise UserError(
            "ONNX files are exported in fp32 only: use --precision fp32, or TorchScript"
        )
    if form == ONNX and not is_installed(ONNX):
        raise UserError("exporting ONNX needs more packages: pip install 'dfd[onnx]'")
    if not runs_in(checkpoint.network, precision):
        raise UserError(
            f"the network of this model does not run in {precision}: use --precision fp32"
        )


def convert(checkpoint: Checkpoint, precision: str) -> None:
    """Converts the network of a model, and compares its scores of synthetic signals.

    Raises:
        UserError: if it scores differently.
    """
    network, here = checkpoint.network, torch.device("cpu")
    if precision == FP32 or not isinstance(network, ScoringNetwork):
        return
    before = probabilities(network, checkpoint, here)
    place(network, here, DTYPES[precision])
    difference = float(np.abs(probabilities(network, checkpoint, here) - before).max())
    if not difference <= TOLERANCE:
        raise UserError(
            f"{precision} changes P(spoof) of this model by up to {difference:.2f}, more than "
            f"{TOLERANCE}: use --precision fp32"
        )


def write(checkpoint: Checkpoint, form: str, path: Path) -> None:
    """Writes the network.

    Args:
        checkpoint: the model, converted.
        form: "torchscript", a file that also runs on GPUs, or "onnx".
        path: the file to write.
    """
    columns = _Columns(checkpoint.network).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == TORCHSCRIPT:
            # not frozen, since constants would stay on the CPU when a server moves it to a GPU
            scripted: Any = torch.jit.script(columns)
            scripted.save(str(path))
        else:
            _write_onnx(columns, checkpoint, path)


def _write_onnx(columns: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    samples, lengths = probe(checkpoint)
    example = torch.from_numpy(samples[:2]), torch.from_numpy(lengths[:2]).unsqueeze(1)
    trace: Any = torch.jit.trace
    with torch.inference_mode():
        traced = trace(columns, example)
    torch.onnx.export(
        traced,
        example,
        str(path),
        dynamo=False,
        opset_version=_OPSET,
        input_names=[WINDOWS, LENGTHS],
        output_names=[SCORES],
        dynamic_axes={WINDOWS: {0: "batch"}, LENGTHS: {0: "batch"}, SCORES: {0: "batch"}},
    )
