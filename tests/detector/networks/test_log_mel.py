import importlib
from typing import Any

import pytest
import torch

from dfd.detector.networks.log_mel import STEP, FourierLogMel, LogMel
from dfd.detector.networks.scoring import normalized

SECOND = 16_000
KINDS = pytest.mark.parametrize("kind", [LogMel, FourierLogMel])


@KINDS
def test_hears_what_whisper_hears(kind: type[LogMel]) -> None:
    transformers: Any = importlib.import_module("transformers")
    extractor = transformers.WhisperFeatureExtractor(chunk_length=1)
    torch.manual_seed(0)
    waves = torch.randn(2, SECOND) * torch.linspace(0.001, 1.0, SECOND)
    waves = normalized(waves, None)
    expected = extractor(list(waves.numpy()), sampling_rate=SECOND, return_tensors="pt")
    found = kind()(waves, None)
    # the first and last frames hear the padding, which is zero here and a reflection there
    wanted = expected.input_features.transpose(1, 2)[:, 2:-2]
    torch.testing.assert_close(found[:, 2:-2], wanted, atol=1e-4, rtol=0.0)


@KINDS
@pytest.mark.parametrize("samples", [SECOND, 8_000, 1_001, 400, STEP])
def test_padding_is_not_heard(samples: int, kind: type[LogMel]) -> None:
    torch.manual_seed(1)
    waves = torch.randn(1, samples)
    alone = kind()(waves, None)
    frames = torch.tensor([samples // STEP])
    padded = kind()(torch.nn.functional.pad(waves, [0, SECOND - samples]), frames)
    count = int(frames)
    torch.testing.assert_close(padded[:, :count], alone[:, :count], atol=1e-5, rtol=0.0)
    assert not padded[:, count:].any()


@KINDS
def test_silence_and_nothing_are_finite(kind: type[LogMel]) -> None:
    made = kind()(torch.zeros(2, SECOND), torch.tensor([SECOND // STEP, 0]))
    assert made[0].eq(-1.5).all()
    assert not made[1].any()
