"""The classifier: the only room that knows torch.

    model name -> files (`checkpoint`, `hub`) -> tensors (`transformers_folder`, `state_dict`,
        `pickled`, `tensors`) and facts (`card`, `labels`, `overrides`)
    weights -> network on torchaudio's Wav2Vec2 (`backbone`, `head`, `light_cnn`, `network`)
    network -> compiled for a device and a precision (`devices`, `precision`,
        `agreement`; laid out for speed by `frames`, `int8`; run by `engines`)
    windows -> calibrated spoof LLRs in fixed batch sizes (`buckets`, `detector`)

Importing this package, `errors`, `overrides` or `spec` does not import torch; `load_detector` does.
`with_transformers` is for whoever has transformers and wants the same network from it.
"""

from typing import TYPE_CHECKING, Any

from dfd.detector.errors import DetectorError
from dfd.detector.overrides import ModelOverrides
from dfd.detector.spec import Calibration, ModelSpec

if TYPE_CHECKING:
    from dfd.detector.detector import Detector, load_detector

__all__ = [
    "Calibration",
    "Detector",
    "DetectorError",
    "ModelOverrides",
    "ModelSpec",
    "load_detector",
]


def __getattr__(name: str) -> Any:
    if name in ("Detector", "load_detector"):
        from dfd.detector import detector

        return getattr(detector, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
