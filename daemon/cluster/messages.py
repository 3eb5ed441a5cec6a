"""What a daemon and the process that calls a cluster for it tell each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfd.daemon.engine_address import EngineAddress
from dfd.daemon.options import ServeOptions
from dfd.detector.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message: which cluster, and which model if it has to be deployed."""

    address: EngineAddress
    options: ServeOptions


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
class Request:
    """Windows to score."""

    number: int
    windows: NDArray[np.float32]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answer:
    """The windows' LLRs, or why there are none."""

    number: int
    found: NDArray[np.float32] | str
