"""Second part: windows per second of models of true size by way, precision and batch; agreement."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfd.benchmarks.gpu import ways
from dfd.benchmarks.gpu.environment import peaks
from dfd.benchmarks.gpu.kernels import busiest
from dfd.benchmarks.gpu.notes import Part, start
from dfd.benchmarks.gpu.timing import seconds_of
from dfd.benchmarks.model.compare import count_operations
from dfd.benchmarks.model.networks import SMALL, write_random
from dfd.benchmarks.report.spread import Spread
from dfd.detector import Detector, load_detector
from dfd.detector.devices import prepare_device, resolve_device
from dfd.detector.precision import FP32, fast_precisions
from dfd.detector.signals import probe_signals

BASE, LARGE = "wav2vec2-base", "wav2vec2-xls-r-300m"
_BATCHES = {BASE: (1, 4, 16, 32, 64, 128, 256), LARGE: (1, 8, 32, 64, 128)}
_PROFILED = 64
_QUICK_CARD = {"window_samples": 16_000, "hop_samples": 8_000}
# A way is started only if this much time is left.
_LEAST_LEFT_SECONDS = 8.0
_COMPILE_SECONDS = 60.0


def folder_of(part: Part, name: str) -> Path:
    """Returns a model folder with random weights, made once per run."""
    folder = part.work / name
    if not (folder / "model.safetensors").exists():
        part.tell(f"writing {name}")
        write_random(name, folder, **(SMALL if part.quick else {}))
        if part.quick:
            (folder / "dfd.json").write_text(json.dumps(_QUICK_CARD))
    return folder


def main() -> None:
    """Runs the part."""
    part = start()
    device = resolve_device(part.device)
    prepare_device(device, None)
    top = peaks(part, device)
    for name in (BASE, LARGE):
        folder = folder_of(part, name)
        part.notes.add("models", {"model": name, "operations": count_operations(folder)})
        _agreement(part, name, folder, device)
        _rates(part, name, folder, device, top)
        _served(part, name, folder)


def _agreement(part: Part, name: str, folder: Path, device: torch.device) -> None:
    """Measures the largest difference from float32, as the daemon runs each precision."""
    made = ways.Ways(folder, device)
    card = made.checkpoint.card
    windows, _ = probe_signals(card.window_samples, card.sample_rate_hz, draw=2)
    batch = torch.from_numpy(windows).to(device)
    with torch.inference_mode():
        expected = made.make(ways.PLAIN, FP32)(batch).float().cpu()
        for way, precision in (
            (ways.DFD, FP32),
            *((way, one) for one in fast_precisions(device) for way in (ways.PLAIN, ways.DFD)),
        ):
            row: dict[str, Any] = {"model": name, "way": way, "precision": precision}
            try:
                odds = made.make(way, precision)(batch).float().cpu()
            except Exception as error:
                part.notes.add("agreement", row | {"failed": _said(error)})
                continue
            moved = (torch.sigmoid(odds) - torch.sigmoid(expected)).abs().max()
            row["probability"] = round(float(moved), 6)
            row["log_odds"] = round(float((odds - expected).abs().max()), 6)
            part.notes.add("agreement", row)
            part.tell(f"{name}, {way}, {precision}: within {row['probability']:.5f} of fp32")
    _forget()


def _order(part: Part, precisions: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yields what to measure, the most important first."""
    half = "bf16" if "bf16" in precisions else (*precisions, FP32)[0]
    yield ways.DFD, half
    yield ways.PLAIN, half
    yield ways.TRANSFORMERS, half
    if part.on_card:
        yield ways.PLAIN_GRAPHS, half
        yield ways.LAID_OUT_GRAPHS, half
    yield ways.LAID_OUT, half
    yield ways.SCRIPTED, half
    if "fp16" in precisions and half != "fp16":
        yield ways.DFD, "fp16"
    if half != FP32:
        yield ways.DFD, FP32
        yield ways.TRANSFORMERS, FP32
    if part.on_card and not part.quick:
        yield ways.COMPILED, half


def _rates(
    part: Part, name: str, folder: Path, device: torch.device, top: dict[str, float]
) -> None:
    made = ways.Ways(folder, device)
    operations = part.notes.figures["models"][-1]["operations"]
    batches = (1, 2) if part.quick else _BATCHES[name]
    size = made.checkpoint.card.window_samples
    noise = 0.1 * torch.randn(max(batches), size, device=device)
    # the larger model gets the time that the smaller one leaves
    until = part.seconds_left * (0.4 if name == BASE else 0.2)
    score: ways.Score | None
    for way, precision in _order(part, fast_precisions(device)):
        least = until + (_COMPILE_SECONDS if way == ways.COMPILED else _LEAST_LEFT_SECONDS)
        named = {"model": name, "way": way, "precision": precision}
        if part.seconds_left < least:
            part.notes.add("left_out", f"{name}, {way}, {precision}: no time left")
            continue
        try:
            score = made.make(way, precision)
            for batch in batches:
                if part.seconds_left < until:
                    break
                row = named | {"batch": batch} | _rate(part, score, noise[:batch], device)
                reached = row["windows_per_second"] * operations
                row["of_peak"] = round(reached / top[precision], 4)
                part.notes.add("rates", row)
                part.tell(
                    f"{name}, {way}, {precision}, batch {batch}: "
                    f"{row['windows_per_second']:.1f} windows/s, {100 * row['of_peak']:.1f} % of "
                    "the matrix peak"
                )
            if part.on_card and precision != FP32 and way in (ways.PLAIN, ways.LAID_OUT):
                rows = noise[:_PROFILED]
                part.notes.add("kernels", named | {"batch": len(rows)} | busiest(score, rows))
        except Exception as error:  # that a way fails is a finding too
            part.notes.add("failed", named | {"why": _said(error)})
            part.tell(f"{name}, {way}, {precision} failed: {_said(error)}")
        finally:
            score = None
            _forget()


def _rate(part: Part, score: ways.Score, windows: Tensor, device: torch.device) -> dict[str, Any]:
    least = 0.01 if part.quick else 0.15
    with torch.inference_mode():
        for _ in range(3):  # TorchScript observes, optimises, runs
            score(windows)
        spread = seconds_of(lambda: score(windows), device, least)
    return _row(spread, len(windows))


def _served(part: Part, name: str, folder: Path) -> None:
    """Measures the detector as the daemon calls it, from and to the CPU's memory."""
    buckets = (1, 2) if part.quick else (1, 8, 32, 64)
    if part.seconds_left < _LEAST_LEFT_SECONDS:
        part.notes.add("left_out", f"{name}, as the daemon calls it: no time left")
        return
    try:
        detector = load_detector(
            str(folder), device=part.device, batch_buckets=buckets, warm=not part.quick
        )
        for windows in (*buckets, 4 * buckets[-1]):
            row: dict[str, Any] = {"model": name, "precision": detector.spec.precision}
            row |= {"windows": windows} | _from_memory(part, detector, windows)
            part.notes.add("served", row)
    except Exception as error:
        part.notes.add("failed", {"model": name, "way": "load_detector", "why": _said(error)})


def _from_memory(part: Part, detector: Detector, windows: int) -> dict[str, Any]:
    size = detector.spec.window_samples
    noise = 0.1 * np.random.default_rng(0).standard_normal((windows, size)).astype(np.float32)
    lengths = np.full(windows, size, np.int64)
    least = 0.01 if part.quick else 0.15
    spread = seconds_of(lambda: detector.score(noise, lengths), torch.device("cpu"), least)
    return _row(spread, windows)


def _row(spread: Spread, windows: int) -> dict[str, Any]:
    rate = spread.inverse(windows)
    return {
        "windows_per_second": round(rate.median, 2),
        "low": round(rate.low, 2),
        "high": round(rate.high, 2),
        "ms": round(1e3 * spread.median, 3),
    }


def _forget() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:400]


if __name__ == "__main__":
    main()
