"""The events of a call, whatever protocol carries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dfd.clients.audio import AudioFormat

MAX_LABELS = 32
MAX_LABEL_CHARACTERS = 256
MAX_CALL_ID_CHARACTERS = 128


class ProtocolError(Exception):
    """The peer violated its protocol, as the message says. Ends only this connection."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """Audio is about to arrive.

    Attributes:
        call_id: the call's id in its own protocol, made printable.
        audio_format: the format of `CallAudio.content`.
        labels: what else the protocol says about the call.
    """

    call_id: str
    audio_format: AudioFormat
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallAudio:
    """Whole frames, and the frames lost in the network just before them.

    Attributes:
        filled_frames: silence in the content that replaces audio missing in one leg.
    """

    content: bytes
    gap_frames: int = 0
    filled_frames: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class CallNote:
    """Something to count or log: "dtmf", "mark", "paused"; never the digits dialled."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The peer said that no more audio will come."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send to the peer: text or binary, as its protocol requires."""

    message: str | bytes


CallEvent = CallStarted | CallAudio | CallNote | CallEnded | Reply


def printable(text: object, most: int = MAX_LABEL_CHARACTERS) -> str:
    """Returns a peer's text, limited in length and without control characters."""
    cut = str(text)[: most + 1]
    clean = "".join(c if c.isprintable() else "?" for c in cut)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def call_name(text: object) -> str:
    """Returns a peer's id of the call, limited in length and without control characters."""
    return printable(text, MAX_CALL_ID_CHARACTERS)


def labels_of(*sources: Mapping[str, object]) -> dict[str, str]:
    """Makes labels from a peer's data; scalars only, limited in number and length.

    If two sources have the same label, the first one counts.
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
