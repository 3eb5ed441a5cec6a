"""How the bytes of a stream hold samples."""

from dataclasses import dataclass
from enum import StrEnum

from dfd.errors import UserError

MIN_RATE_HZ = 8000
MAX_RATE_HZ = 48000
MAX_CHANNELS = 8


class Encoding(StrEnum):
    """How one sample is encoded; the values are the words of the command line."""

    LINEAR16 = "linear16"
    MULAW = "mulaw"
    ALAW = "alaw"
    FLOAT32 = "float32"

    @property
    def bytes_per_sample(self) -> int:
        """Bytes per sample of one channel."""
        return {Encoding.LINEAR16: 2, Encoding.FLOAT32: 4}.get(self, 1)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of a stream: interleaved frames of `channel_count` samples.

    Raises:
        UserError: on a rate outside 8 to 48 kHz, or a channel count outside 1 to 8.
    """

    encoding: Encoding = Encoding.LINEAR16
    sample_rate_hz: int = 16000
    channel_count: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", Encoding(self.encoding))
        if not MIN_RATE_HZ <= self.sample_rate_hz <= MAX_RATE_HZ:
            raise UserError(
                f"a rate of {self.sample_rate_hz} Hz is outside 8000 to 48000: resample the audio"
            )
        if not 1 <= self.channel_count <= MAX_CHANNELS:
            raise UserError(
                f"{self.channel_count} channels are outside 1 to 8: send fewer channels"
            )

    @property
    def bytes_per_frame(self) -> int:
        """Bytes per frame, which is one sample of every channel."""
        return self.encoding.bytes_per_sample * self.channel_count

    def frames(self, seconds: float) -> int:
        """Returns the number of frames nearest to a duration."""
        return round(seconds * self.sample_rate_hz)

    def seconds(self, frames: int) -> float:
        """Returns the duration of a number of frames."""
        return frames / self.sample_rate_hz
