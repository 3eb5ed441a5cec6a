from typing import Any

import av
import numpy as np
import pytest

from dfd.bridges.media.g711 import alaw_samples, mulaw_samples
from dfd.streaming.options import AudioFormat
from dfd.streaming.samples.decode import decode
from dfd.streaming.types import Encoding
from tests.bridges.kit import Samples

EVERY = bytes(range(256))


@pytest.mark.parametrize(
    ("name", "samples", "encoding"),
    [
        ("pcm_mulaw", mulaw_samples(EVERY), Encoding.MULAW),
        ("pcm_alaw", alaw_samples(EVERY), Encoding.ALAW),
    ],
)
def test_every_code_is_decoded_as_elsewhere(
    name: str, samples: Samples, encoding: Encoding
) -> None:
    """As FFmpeg and the daemon decode it."""
    context: Any = av.CodecContext.create(name, "r")
    context.sample_rate, context.layout = 8000, "mono"
    (frame,) = context.decode(av.Packet(EVERY))
    np.testing.assert_array_equal(samples, frame.to_ndarray()[0])
    served = decode(EVERY, AudioFormat(encoding, 8000, 1))[:, 0]
    np.testing.assert_array_equal(samples / np.float32(32768), served)
