"""A loaded model: batches of windows in, calibrated spoof LLRs out."""

import dataclasses
import logging
import threading
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.detector import engines
from dfd.detector import precision as precisions
from dfd.detector.buckets import check_buckets, default_buckets, split
from dfd.detector.compiling import compile_model
from dfd.detector.devices import (
    one_thread,
    out_of_memory,
    prepare_device,
    release_cache,
    resolve_device,
    threads_beside_streams,
)
from dfd.detector.engines.target import Compiled
from dfd.detector.files.bundled import BUNDLED
from dfd.detector.files.read import read_checkpoint
from dfd.detector.networks.network import largest_batch, runs_in
from dfd.detector.overrides import ModelOverrides
from dfd.detector.padding import padded
from dfd.detector.spec import ModelSpec
from dfd.detector.transfer import Download, Transfer
from dfd.errors import UserError

# TorchScript profiles the first run and optimises on the second; on a GPU its fused kernels are
# compiled for each shape, on a CPU the other shapes only need a first run.
_WARM_RUNS = 3

_LOGGER = logging.getLogger("dfd.detector")


class Detector:
    """Scores windows; thread-safe, with one call at a time.

    Attributes:
        spec: the properties of the loaded model.
    """

    def __init__(
        self, compiled: Compiled, spec: ModelSpec, device: torch.device, least_samples: int
    ) -> None:
        self.spec = spec
        self._compiled = compiled
        self._device = device
        self._transfer = Transfer(device)
        self._least_samples = least_samples
        self._lock = threading.Lock()

    def score(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores any number of windows.

        A window's score does not depend on the others of the call (to 1e-4 in fp32).

        Args:
            windows: float32 (B, `spec.window_samples`) at `spec.sample_rate_hz`, full scale
                1.0. What is beyond a length is not read.
            lengths: int64 (B,), number of valid samples of each, at least 1; beyond them the
                network sees nothing, zeros or a repetition, according to `spec.padding`.

        Returns:
            float32 (B,): natural log-likelihood ratios, spoof over bona fide. NaN where the network
            gave no finite score for that window.

        Raises:
            ValueError: on wrong shapes, or a length outside 1 to `spec.window_samples`.
        """
        count, size = len(windows), self.spec.window_samples
        if windows.shape != (count, size) or lengths.shape != (count,):
            raise ValueError(
                f"windows {windows.shape} and lengths {lengths.shape} are not (B, {size}) and (B,)"
            )
        if count and not 1 <= lengths.min() <= lengths.max() <= size:
            raise ValueError(f"lengths must be from 1 to {size}")
        scores = np.empty(count, np.float32)
        with self._lock, torch.inference_mode():
            under_way: deque[tuple[int, int, Download]] = deque()
            for start, stop, bucket in split(count, self.spec.batch_buckets):
                batch = self._launch(windows[start:stop], lengths[start:stop], bucket)
                under_way.append((start, stop, batch))
                if len(under_way) > 1:  # the next batch is transferred while this one is computed
                    _collect(scores, *under_way.popleft())
            while under_way:
                _collect(scores, *under_way.popleft())
        return self.spec.calibration.apply(scores)

    def warm(self) -> None:
        """Runs every batch bucket, with full windows and with short ones.

        Buckets for which the device's memory is too small are given up, with a warning.

        Raises:
            UserError: if it is too small for the smallest one.
        """
        buckets = self.spec.batch_buckets
        for index, bucket in enumerate(buckets):
            try:
                self._warm_bucket(bucket)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if index == 0:
                    raise UserError(
                        f"{self.spec.device} has too little free memory for a batch of {bucket}: "
                        "stop other programs that use it, or choose a smaller model or another"
                        " --device"
                    ) from None
                self.spec = dataclasses.replace(self.spec, batch_buckets=buckets[:index])
                _LOGGER.warning(
                    "%s has too little free memory for a batch of %d: batches are limited to %d",
                    self.spec.device,
                    bucket,
                    buckets[index - 1],
                )
                release_cache(self._device)
                return

    def _warm_bucket(self, bucket: int) -> None:
        size = self.spec.window_samples
        first = bucket == self.spec.batch_buckets[0]
        runs = _WARM_RUNS if first or self._device.type == "cuda" else 1
        windows = np.zeros((bucket, size), np.float32)
        for length in (size, max(1, size // 2)):
            for _ in range(runs):
                self.score(windows, np.full(bucket, length, np.int64))

    def _launch(
        self, windows: NDArray[np.float32], lengths: NDArray[np.int64], bucket: int
    ) -> Download:
        """Starts one batch, padded with silent windows."""
        # Less than a frame is scored as one frame, padded with zeros.
        batch, valid = padded(
            windows, lengths, self.spec.padding, rows=bucket, least_samples=self._least_samples
        )
        whole = bool((valid == batch.shape[1]).all())
        scores = self._compiled(
            self._transfer.upload(batch), None if whole else self._transfer.upload(valid)
        )
        return self._transfer.download(scores.float())


def _collect(scores: NDArray[np.float32], start: int, stop: int, batch: Download) -> None:
    """Collects the raw log-odds of one batch; NaN where they are not finite."""
    odds = batch.wait()[: stop - start]
    scores[start:stop] = np.where(np.isfinite(odds), odds, np.float32(np.nan))


def load_detector(
    model: str = BUNDLED,
    *,
    device: str = "auto",
    precision: str = precisions.AUTO,
    batch_buckets: Sequence[int] | None = None,
    threads: int | None = None,
    beside_streams: bool = False,
    engine: str = engines.KNOWN,
    tolerance: float = precisions.TOLERANCE,
    warm: bool = True,
    overrides: ModelOverrides | None = None,
) -> Detector:
    """Reads a model, compiles it and runs it once with every batch size.

    Nothing is downloaded except the files of a hub id. Half precision is compared with fp32 on
    synthetic signals; the largest difference in probability is logged, and if it is too large,
    `auto` continues with the next precision and finally fp32. A precision that `auto` rejected is
    not tried again at the next load on the same machine (`start_cache`).

    Args:
        model: as for `read_checkpoint`: `bundled`, a folder, a checkpoint file or a hub id.
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
        precision: `auto` (half precision if the hardware benefits, int8 if the model's card says
            that it was measured), `fp32`, `bf16`, `fp16`, or `int8` on CPUs with 8-bit
            instructions.
        batch_buckets: batch sizes to prepare; None means 1 to 64 on a GPU, and on a CPU 1 to 16, 4
            or 2, depending on the size of the network.
        threads: torch's CPU threads, for the whole process; None leaves torch's choice.
        beside_streams: whether a daemon's streams need cores of this machine too: without
            `threads` a small network then leaves half of the cores to them.
        engine: what runs the network: `torchscript`, `openvino`, `onnx`, `auto` (the fastest on
            this CPU; if that is not remembered from an earlier load, it is measured, which may take
            a minute), or `known` (the fastest if that is remembered, otherwise TorchScript).
        tolerance: largest difference in probability from fp32 that `auto` accepts.
        warm: if False, each batch size has its first run in `score`.
        overrides: properties that override the model's own.

    Raises:
        UserError: with one sentence that says what to do.
    """
    place_on = resolve_device(device)
    runner = engines.choose(engine, place_on)
    wanted = precisions.candidates(precision, place_on)
    if precision == precisions.AUTO:
        wanted = tuple(name for name in wanted if engines.runs(runner, name))
    if batch_buckets is not None:
        batch_buckets = check_buckets(batch_buckets)
    with one_thread():
        checkpoint = read_checkpoint(model, overrides)
    wanted = tuple(name for name in wanted if runs_in(checkpoint.network, name))
    measured = checkpoint.card.int8 and precisions.has_int8(place_on)
    if precision == precisions.AUTO and measured and engines.runs(runner, precisions.INT8):
        # its maker has compared the two, on more than synthetic signals
        wanted = (precisions.INT8,)
    if not wanted:
        raise UserError(
            f"the network of this model does not run in {precision}: use --precision auto or fp32"
        )
    parameters = sum(value.numel() for value in checkpoint.network.parameters())
    largest = largest_batch(checkpoint.network)
    buckets = tuple(batch_buckets or default_buckets(place_on.type, parameters, largest))
    if threads is None and beside_streams and place_on.type == "cpu":
        threads = threads_beside_streams(parameters)
    prepare_device(place_on, threads)
    result = compile_model(
        checkpoint,
        place_on,
        wanted,
        engine,
        buckets=buckets,
        threads=threads,
        tolerance=tolerance,
        keep=precision != precisions.AUTO,
        measured=measured,
    )
    spec = checkpoint.spec(
        device=str(place_on),
        precision=result.precision,
        engine=result.engine,
        batch_buckets=buckets,
    )
    detector = Detector(result.compiled, spec, place_on, checkpoint.least_samples)
    if warm:
        detector.warm()
    _LOGGER.info(
        "model %s %s (sha256 %s) on %s in %s by %s",
        spec.name,
        spec.version,
        spec.weights_sha256,
        spec.device,
        spec.precision,
        spec.engine,
    )
    return detector
