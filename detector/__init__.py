"""The classifier: the only room that knows torch.

    files/      model name -> tensors, and properties of the model
    networks/   tensors -> a network on torchaudio's Wav2Vec2, with a fast memory layout
    engines/    network -> compiled for a device (`devices`) and a `precision` (`agreement`)
    detector    windows -> calibrated spoof LLRs in fixed batch sizes (`buckets`, `transfer`)
    export/     network -> a file that other servers run
    fusion      several models -> one
    watermarks/ samples -> which watermarks they carry
    catalogue   public detectors that can be fetched and served

Importing this package, `overrides`, `spec` or `traits` does not import torch; `load_detector` does.
`with_transformers` is for users of transformers who want the same network from it.
"""

from typing import TYPE_CHECKING, Any

from dfd.detector.overrides import ModelOverrides
from dfd.detector.spec import Calibration, ModelSpec

if TYPE_CHECKING:
    from dfd.detector.detector import Detector, load_detector

__all__ = [
    "Calibration",
    "Detector",
    "ModelOverrides",
    "ModelSpec",
    "load_detector",
]


def __getattr__(name: str) -> Any:
    if name in ("Detector", "load_detector"):
        from dfd.detector import detector

        return getattr(detector, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
