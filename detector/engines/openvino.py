"""OpenVINO, on the CPU."""

import threading
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from dfd import processors
from dfd.detector.engines.target import Compiled, Target
from dfd.detector.networks.network import Network


class WithLengths(nn.Module):
    """A network that always takes lengths, so that one trace serves full and short windows."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Scores a batch, like `ScoringNetwork.forward`."""
        scores: Tensor = self.network(windows, lengths)
        return scores


def traced(network: Network, target: Target) -> tuple[Any, tuple[Tensor, Tensor]]:
    """Returns the network as a trace that takes lengths, and the example inputs of the trace."""
    windows = torch.from_numpy(target.samples[:2].copy())
    lengths = torch.tensor([target.window_samples, target.window_samples // 2])
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        return trace(WithLengths(network), (windows, lengths)), (windows, lengths)


def compile_network(network: Network, target: Target) -> Compiled:
    """Converts a trace of a network; any batch size runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import openvino

    trace, example = traced(network, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(
            trace,
            example_input=example,
            # by position: tracing may have renamed an input, where `lengths` occurs twice
            input=[openvino.PartialShape([-1, target.window_samples]), openvino.PartialShape([-1])],
        )
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if target.precision == "bf16" else "f32",
    }
    if (threads := target.threads or processors.limit()) is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    return _Runner(openvino.Core().compile_model(model, "CPU", options))


class _Runner:
    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            lengths = torch.full([len(windows)], windows.shape[1])
        with self._lock:
            found = self._request.infer([windows.numpy(), lengths.numpy()])
            return torch.from_numpy(found[0].copy())
