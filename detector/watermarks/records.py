"""The messages between the daemon and the process that reads watermarks."""

import struct
from collections.abc import Sequence

# sample rate in Hz, and the number of samples that follow as float32
REQUEST = struct.Struct("<II")
_CONFIDENCE = "f"


def reply(confidences: Sequence[float]) -> bytes:
    """Encodes one confidence for each scheme, in the order in which the schemes were named."""
    return struct.pack(f"<{len(confidences)}{_CONFIDENCE}", *confidences)


def reply_bytes(schemes: int) -> int:
    """Returns the length of the reply for a number of schemes."""
    return struct.calcsize(f"<{schemes}{_CONFIDENCE}")


def confidences(answer: bytes) -> tuple[float, ...]:
    """Decodes a reply."""
    return struct.unpack(f"<{len(answer) // 4}{_CONFIDENCE}", answer)
