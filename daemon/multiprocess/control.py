"""Messages between the supervisor and its processes."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from dfd.daemon.options import ServeOptions
from dfd.detector.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Sources:
    """What the instances of a model have loaded, each as `--model` takes it."""

    active: str
    waiting: str | None = None
    previous: str | None = None


class Verb(Enum):
    """A step of replacing a model; each of the first three is followed by one of the others."""

    LOAD = "load"
    ACTIVATE = "activate"
    ROLL_BACK = "rollback"
    KEEP = "keep"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message to a process, with the descriptors of the shared counts and ledger.

    Attributes:
        role: "worker" or "instance".
        index: its number among those of its role, from 0.
        loader: "module:function" that makes the warm classifier.
        sources: of an instance whose model was replaced; None means what the options name.
        replaced: the model that the options name, if another took its place.
    """

    role: str
    index: int
    options: ServeOptions
    loader: str
    workers: int
    instances: int
    sources: Sources | None = None
    replaced: ModelSpec | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """To a worker or an instance: a connection to the other one, and the worker's slots."""

    index: int
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Drain:
    """To a worker: accept no new streams and end when the running ones have ended."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End at once."""


@dataclass(frozen=True, slots=True)
class Reread:
    """To a worker: read tokens, keys and certificates again."""


@dataclass(frozen=True, slots=True)
class Report:
    """To a process: send your metrics."""

    number: int


@dataclass(frozen=True, slots=True)
class Step:
    """To an instance: take a step of replacing its model.

    Attributes:
        source: what to load.
    """

    number: int
    verb: Verb
    source: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """The models that instances have warm; to a worker: those of the model of this index."""

    model: int
    active: ModelSpec
    waiting: ModelSpec | None = None
    previous: ModelSpec | None = None


@dataclass(frozen=True, slots=True)
class Managed:
    """To a worker: its request to replace a model was done.

    Attributes:
        mistake: why nothing was changed; None if it was done.
    """

    number: int
    model: int
    mistake: str | None


@dataclass(frozen=True, slots=True)
class Warm:
    """From an instance: the model is loaded."""

    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Stepped:
    """From an instance: what became of a step.

    Attributes:
        mistake: why it was not taken; None if it was.
    """

    number: int
    mistake: str | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class Manage:
    """From a worker: a client asks that a model be replaced."""

    number: int
    model: int
    verb: Verb
    source: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """From a worker: the client that asked for a model to be replaced has left."""

    number: int
    model: int


@dataclass(frozen=True, slots=True)
class Bound:
    """From a worker: the port is bound."""


@dataclass(frozen=True, slots=True)
class Serving:
    """From a worker: streams are accepted, or not for the time being."""

    serving: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """From a process: it is about to end.

    Attributes:
        drained: whether every stream ended by itself.
        mistake: the user's mistake that ended it; None if there was none.
    """

    drained: bool = True
    mistake: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """From a process: its metrics, as returned by `merge.snapshot`."""

    number: int
    families: list[Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """From a worker: it has watchers, or no longer has any."""

    watched: bool


@dataclass(frozen=True, slots=True)
class Show:
    """To a worker: start sending your streams, all of them first, or stop sending them."""

    shown: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """From a worker, and on to watched workers: streams that changed, or all running ones.

    Attributes:
        begins, ends: whether this is the first or the last part of all running streams.
        streams: `WatchedStream`s.
    """

    worker: int
    begins: bool
    ends: bool
    streams: list[bytes]


@dataclass(frozen=True, slots=True)
class Gone:
    """To a worker: another one died."""

    worker: int


ControlMessage = (
    Begin
    | Connect
    | Drain
    | Stop
    | Report
    | Reread
    | Step
    | Stepped
    | Standing
    | Manage
    | Withdraw
    | Managed
    | Warm
    | Bound
    | Serving
    | Ended
    | Figures
    | Watched
    | Show
    | Shown
    | Gone
)
