"""The score of a window by transformers' plain forward pass."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

LENGTHS = (4_000, 4_000, 2_500, 1_001, 4_000, 777, 4_000)


def transformers_log_odds(
    folder: Path,
    windows: NDArray[np.float32],
    lengths: tuple[int, ...],
    *,
    mask: bool,
    spoof: int = 1,
) -> NDArray[np.float32]:
    """Scores windows one by one, each normalised alone.

    With `mask` a window is scored as it is, without any padding; otherwise with zeros behind it.
    """
    from transformers import Wav2Vec2FeatureExtractor

    from dfd.detector.with_transformers import load_classifier

    model = load_classifier(folder)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    scores = []
    for window, length in zip(windows, lengths, strict=True):
        features = extractor(window[:length], sampling_rate=16_000, return_tensors="pt")
        values = features.input_values
        if not mask:
            values = torch.nn.functional.pad(values, (0, windows.shape[1] - length))
        with torch.no_grad():
            logits = model(values).logits[0]
        scores.append(float(logits[spoof] - logits[1 - spoof]))
    return np.array(scores, np.float32)
