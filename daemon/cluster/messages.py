"""What a daemon and the process that calls a cluster for it tell each other."""

from dataclasses import dataclass, field

from dfd.daemon.engine_address import EngineAddress
from dfd.daemon.options import ServeOptions
from dfd.detector.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message: which cluster, and which model if it has to be deployed."""

    address: EngineAddress
    options: ServeOptions


@dataclass(frozen=True, slots=True)
class Replica:
    """Where one replica of the engine listens for daemons.

    Attributes:
        host, port: its address.
        key: what daemons prove to know.
        callers: how many daemons are connected.
    """

    host: str
    port: int
    key: bytes = field(repr=False)
    callers: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer to it.

    Attributes:
        spec: the facts of the model as the replicas loaded it.
        head: "HOST:PORT" of the cluster's head.
    """

    spec: ModelSpec
    head: str


@dataclass(frozen=True, slots=True)
class Look:
    """The daemon has lost a replica, and wants to know which there are."""


@dataclass(frozen=True, slots=True)
class Found:
    """The replicas that there are."""

    replicas: tuple[Replica, ...]
