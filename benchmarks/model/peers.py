"""Other ways to run the same model, measured beside dfd's."""

import importlib.util
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dfd.benchmarks.model.families import takes_samples
from dfd.detector import engines
from dfd.detector.engines.target import Target
from dfd.detector.files.read import read_checkpoint
from dfd.detector.precision import DTYPES, fast_precisions
from dfd.detector.signals import probe_signals

Scorer = Callable[[NDArray[np.float32]], object]
TRANSFORMERS = "transformers"
EAGER = "eager"
ONNXRUNTIME = "onnxruntime"
OPENVINO = "openvino"
COMPILE = "torch.compile"
PEERS = (TRANSFORMERS, EAGER, ONNXRUNTIME, OPENVINO, COMPILE)
# without the one that takes minutes to compile
QUICK_PEERS = (TRANSFORMERS, EAGER, ONNXRUNTIME, OPENVINO)
_ENGINE_OF = {ONNXRUNTIME: engines.ONNX, OPENVINO: engines.OPENVINO}


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to run the model.

    Attributes:
        engine: "torchscript" and so on for dfd's own, otherwise the name of a peer.
        score: takes float32 (B, N) and returns when the scores are there.
    """

    engine: str
    precision: str
    score: Scorer


class PeerMissingError(Exception):
    """Raised with a few words that say why a peer cannot take part."""


def make_peer(
    name: str, folder: Path, device: torch.device, threads: int | None
) -> list[Contestant]:
    """Loads a peer, in each precision in which it makes sense.

    Raises:
        PeerMissingError: if it is not installed, or does not run this model here.
    """
    precisions = ("fp32", *(["bf16"] if "bf16" in fast_precisions(device) else []))
    if name in (TRANSFORMERS, COMPILE):
        # transformers' bf16 is measured even if the hardware is slow at it
        wanted = ("fp32", "bf16") if name == TRANSFORMERS else precisions
        return [_transformers(name, folder, device, one) for one in wanted]
    if name == EAGER:
        return [_eager(folder, device)]
    if device.type != "cpu":
        raise PeerMissingError("is supported here on the CPU only")
    engine = _ENGINE_OF[name]
    if not engines.is_installed(engine):
        raise PeerMissingError(f"pip install 'dfd[{engine}]'")
    return [
        _engine(name, engine, folder, one, threads)
        for one in precisions
        if engines.runs(engine, one)
    ]


def _eager(folder: Path, device: torch.device) -> Contestant:
    """Runs the uncompiled network as it was read, for models that transformers does not have."""
    if (folder / "config.json").exists() and takes_samples(folder):
        raise PeerMissingError("use the peer transformers, which runs this model")
    network = read_checkpoint(str(folder)).network.to(device)

    def score(windows: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return network(torch.from_numpy(windows).to(device), None).cpu()

    return Contestant(EAGER, "fp32", score)


def _transformers(name: str, folder: Path, device: torch.device, precision: str) -> Contestant:
    if importlib.util.find_spec("transformers") is None:
        raise PeerMissingError("pip install 'dfd[train]'")
    if not (folder / "config.json").exists():
        raise PeerMissingError("the model is not in the transformers format")
    if not takes_samples(folder):
        raise PeerMissingError("it takes filterbanks there: use the peer eager")
    from transformers.utils import logging

    from dfd.detector.with_transformers import load_classifier

    quiet: Any = logging.disable_progress_bar
    quiet()
    dtype = DTYPES[precision]
    model = load_classifier(folder).to(device, dtype)
    run: Any = model
    if name == COMPILE:
        if device.type == "cpu" and not _has_compiler():
            raise PeerMissingError("it needs a C++ compiler")
        run = torch.compile(model)

    def score(windows: NDArray[np.float32]) -> object:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run(torch.from_numpy(windows).to(device, dtype)).logits.float().cpu()

    return Contestant(name, precision, score)


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in ("g++", "clang++"))


def _engine(
    name: str, engine: str, folder: Path, precision: str, threads: int | None
) -> Contestant:
    checkpoint = read_checkpoint(str(folder))
    card = checkpoint.card
    samples, _ = probe_signals(card.window_samples, card.sample_rate_hz)
    compiled = engines.compile_network(
        checkpoint.network,
        Target(
            device=torch.device("cpu"),
            precision=precision,
            window_samples=card.window_samples,
            hop_samples=card.hop_samples,
            samples=samples,
            threads=threads,
        ),
        engine,
    )

    def score(windows: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return compiled(torch.from_numpy(windows), None)

    return Contestant(name, precision, score)
