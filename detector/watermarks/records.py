"""What goes between the daemon and the process that reads watermarks."""

import struct
from collections.abc import Sequence

# rate in Hz and number of the samples that follow as float32
REQUEST = struct.Struct("<II")
_CONFIDENCE = "f"


def reply(confidences: Sequence[float]) -> bytes:
    """A confidence a scheme, in the order in which they were named."""
    return struct.pack(f"<{len(confidences)}{_CONFIDENCE}", *confidences)


def reply_bytes(schemes: int) -> int:
    """How long the answer for so many schemes is."""
    return struct.calcsize(f"<{schemes}{_CONFIDENCE}")


def confidences(answer: bytes) -> tuple[float, ...]:
    """What an answer says."""
    return struct.unpack(f"<{len(answer) // 4}{_CONFIDENCE}", answer)
