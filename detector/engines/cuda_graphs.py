"""Records a forward pass once for each batch size, and replays it with one launch.

A pass of a small batch is hundreds of kernels, each shorter than its launch from Python.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dfd.detector.engines.target import Compiled

# TorchScript profiles the first run and optimises on the second; neither may be recorded.
_RUNS_BEFORE = 3


@dataclass(frozen=True, slots=True)
class _Recording:
    """A graph, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    windows: Tensor
    lengths: Tensor | None
    scores: Tensor


class CudaGraphs:
    """Replaces a compiled network; records at the first call with each shape.

    Detectors are warmed in every batch bucket, so that no recording is made while serving.
    Calls must come from one thread at a time, on one CUDA stream.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._recordings: dict[tuple[int, bool], _Recording] = {}
        self._pool: Any = None

    def __call__(self, windows: Tensor, lengths: Tensor | None) -> Tensor:
        """Returns spoof log-odds (B,)."""
        key = (len(windows), lengths is None)
        recording = self._recordings.get(key)
        if recording is None:
            recording = self._recordings[key] = self._record(windows, lengths)
        recording.windows.copy_(windows, non_blocking=True)
        if lengths is not None and recording.lengths is not None:
            recording.lengths.copy_(lengths, non_blocking=True)
        recording.graph.replay()
        # the next call overwrites it
        return recording.scores.clone()

    def _record(self, windows: Tensor, lengths: Tensor | None) -> _Recording:
        """Runs a few times on a side stream, as recording requires, and records."""
        windows = windows.clone()
        lengths = None if lengths is None else lengths.clone()
        make_stream: Any = torch.cuda.Stream
        beside = make_stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_RUNS_BEFORE):
                self._compiled(windows, lengths)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        # One pool for all, since no two graphs run at the same time.
        with torch.cuda.graph(graph, pool=self._pool):
            scores = self._compiled(windows, lengths)
        self._pool = graph.pool()
        return _Recording(graph, windows, lengths, scores)
