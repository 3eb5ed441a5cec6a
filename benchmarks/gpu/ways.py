"""Ways to run one network on one device, from tensors on the device to scores there."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfd.detector import engines
from dfd.detector.engines.cuda_graphs import CudaGraphs
from dfd.detector.engines.target import Target
from dfd.detector.engines.torchscript import place
from dfd.detector.files.checkpoint import Checkpoint
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.frames import lay_out
from dfd.detector.precision import DTYPES

Score = Callable[[Tensor], Tensor]
PLAIN = "torchaudio's modules"
LAID_OUT = "laid out"
SCRIPTED = "TorchScript"
PLAIN_GRAPHS = "torchaudio's modules, CUDA graphs"
LAID_OUT_GRAPHS = "laid out, CUDA graphs"
DFD = "dfd"
TRANSFORMERS = "transformers"
COMPILED = "torch.compile"
# these need a card; the others run everywhere
ON_CARD = (PLAIN_GRAPHS, LAID_OUT_GRAPHS, COMPILED)


class Ways:
    """Makes the ways to run the model of one folder."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder = folder
        self._device = device
        self._checkpoint = read_checkpoint(str(folder))

    @property
    def checkpoint(self) -> Checkpoint:
        """Reads the model, on the CPU, in float32."""
        return self._checkpoint

    def make(self, way: str, precision: str) -> Score:
        """Returns a callable from windows (B, N) in float32 to scores, both on the device."""
        if way == TRANSFORMERS:
            return self._transformers(precision)
        if way == DFD:
            return self._dfd(precision)
        network: Any = copy.deepcopy(self._checkpoint.network)
        if way in (LAID_OUT, LAID_OUT_GRAPHS, SCRIPTED):
            lay_out(network)
        place(network, self._device, DTYPES[precision])
        if way == SCRIPTED:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network = torch.jit.freeze(torch.jit.script(network))
        elif way == COMPILED:
            network = torch.compile(network)
        if way in (PLAIN_GRAPHS, LAID_OUT_GRAPHS):
            network = CudaGraphs(network)
        return lambda windows: network(windows, None)

    def _dfd(self, precision: str) -> Score:
        """Runs it as `dfd serve` does."""
        card = self._checkpoint.card
        compiled = engines.compile_network(
            copy.deepcopy(self._checkpoint.network),
            Target(
                device=self._device,
                precision=precision,
                window_samples=card.window_samples,
                hop_samples=card.hop_samples,
                samples=torch.zeros(1, card.window_samples).numpy(),
            ),
        )
        return lambda windows: compiled(windows, None)

    def _transformers(self, precision: str) -> Score:
        from transformers.utils import logging

        from dfd.detector.with_transformers import load_classifier

        quiet: Any = logging.disable_progress_bar
        quiet()
        dtype = DTYPES[precision]
        model: Any = load_classifier(self._folder).to(self._device, dtype)
        return lambda windows: model(windows.to(dtype)).logits.float()
