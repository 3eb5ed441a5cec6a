"""What a call tells, whatever protocol carried it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dfd.clients.audio import AudioFormat

MAX_LABELS = 32
MAX_LABEL_CHARACTERS = 256
MAX_CALL_ID_CHARACTERS = 128


class ProtocolError(Exception):
    """The peer broke its protocol; the message says how. Ends this connection and no other."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Audio is about to come.

    Attributes:
        call_id: the call's name in its own protocol, made printable.
        audio_format: how `CallAudio.content` is to be read.
        labels: what else the protocol says of the call.
    """

    call_id: str
    audio_format: AudioFormat
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallAudio:
    """Whole frames, and the frames lost in the network just before them.

    Attributes:
        filled_frames: silence in the content in place of audio that one leg lacked.
    """

    content: bytes
    gap_frames: int = 0
    filled_frames: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class CallNote:
    """Something to count or to log: "dtmf", "mark", "paused". Never what was dialled."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The peer said that no more audio will come."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """To be sent to the peer: text or binary, as its protocol wants."""

    message: str | bytes


CallEvent = CallStarted | CallAudio | CallNote | CallEnded | Reply


def printable(text: object, most: int = MAX_LABEL_CHARACTERS) -> str:
    """A peer's word, bounded and without control characters."""
    cut = str(text)[: most + 1]
    clean = "".join(c if c.isprintable() else "?" for c in cut)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def call_name(text: object) -> str:
    """A peer's identifier of the call, bounded and without control characters."""
    return printable(text, MAX_CALL_ID_CHARACTERS)


def labels_of(*sources: Mapping[str, object]) -> dict[str, str]:
    """Labels from what a peer said; scalars only, bounded in number and length.

    The first source wins where two name the same label.
    """
    labels: dict[str, str] = {}
    for source in sources:
        for key, value in source.items():
            if len(labels) >= MAX_LABELS:
                return labels
            if isinstance(value, bool):
                value = str(value).lower()
            if isinstance(value, str | int | float) and value != "":
                labels.setdefault(printable(key, 64), printable(value))
    return labels
