"""First part: the machine, and the highest rate that a matrix product reaches on it."""

import importlib.metadata
import os

import torch

from dfd.benchmarks.gpu.notes import Notes, Part, read, start
from dfd.benchmarks.gpu.timing import seconds_of
from dfd.benchmarks.model import peak
from dfd.benchmarks.report import machine
from dfd.detector.devices import prepare_device, resolve_device
from dfd.detector.precision import FP32, cpu_flags, fast_precisions

NOTES = "environment.json"
_PACKAGES = (
    *("torch", "torchaudio", "transformers", "triton", "numpy", "safetensors"),
    *("grpcio", "protobuf", "grpcio-health-checking", "grpcio-reflection", "prometheus-client"),
    *("soxr", "webrtcvad-wheels", "soundfile", "pytest"),
)


def note_peaks(notes: Notes, device: torch.device, least_seconds: float) -> None:
    """Measures the best rate of large matrix products, operations per second, by precision."""
    prepare_device(device, None)
    for precision in (*fast_precisions(device), FP32):
        with torch.inference_mode():
            best = max(
                operations / seconds_of(call, device, least_seconds).low
                for operations, call in peak.products(precision, device).items()
            )
        notes.put("peak_flops", {**notes.figures.get("peak_flops", {}), precision: round(best)})


def peaks(part: Part, device: torch.device) -> dict[str, float]:
    """Returns what `note_peaks` found earlier in this run, or measures it now."""
    path = part.work / NOTES
    found: dict[str, float] = read(path).get("peak_flops", {})
    if not found:
        notes = Notes(path)
        note_peaks(notes, device, 0.1)
        found = notes.figures["peak_flops"]
    return found


def main() -> None:
    """Runs the part."""
    part = start()
    notes = part.notes
    notes.put("machine", machine.describe())
    notes.put("instruction_sets", sorted(cpu_flags()))
    notes.put("versions", {name: version for name in _PACKAGES if (version := _version(name))})
    device = resolve_device(part.device)
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        notes.put(
            "card",
            {
                "name": facts.name,
                "capability": f"{facts.major}.{facts.minor}",
                "memory_gib": round(facts.total_memory / (1 << 30), 1),
                "multiprocessors": facts.multi_processor_count,
                "cuda": str(torch.version.cuda),
                "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            },
        )
    notes.put("cores", len(os.sched_getaffinity(0)))
    part.tell("matrix peak")
    note_peaks(notes, device, 0.02 if part.quick else 0.3)
    for precision, rate in notes.figures["peak_flops"].items():
        part.tell(f"{precision}: {rate / 1e12:.3g} TFLOP/s")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
