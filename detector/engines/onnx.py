"""ONNX Runtime, on the CPU."""

import io
import warnings
from typing import Any

import torch
from torch import Tensor

from dfd import processors
from dfd.detector.engines.openvino import traced
from dfd.detector.engines.target import Compiled, Target
from dfd.detector.networks.network import Network

_OPSET = 17


def compile_network(network: Network, target: Target) -> Compiled:
    """Exports a trace of a network, in memory; any batch size runs."""
    import onnxruntime

    trace, example = traced(network, target)
    file: Any = io.BytesIO()  # the exporter writes to it, although its types do not say so
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            trace,
            example,
            file,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["windows", "lengths"],
            output_names=["scores"],
            dynamic_axes={"windows": {0: "batch"}, "lengths": {0: "batch"}},
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if (threads := target.threads or processors.limit()) is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return _Runner(session)


class _Runner:
    def __init__(self, session: Any) -> None:
        self._session = session
        # a network that does not look at the lengths has no such input
        self._names = [one.name for one in session.get_inputs()]

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            lengths = torch.full([len(windows)], windows.shape[1])
        given = {"windows": windows.numpy(), "lengths": lengths.numpy()}
        taken = {name: given[name] for name in self._names}
        scores: Tensor = torch.from_numpy(self._session.run(None, taken)[0])
        return scores
