"""What the RPCs of one daemon share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dfd.daemon.endpoint.admission import Admission, Phase
from dfd.daemon.endpoint.auth import Authenticator
from dfd.daemon.endpoint.pace import Paces
from dfd.daemon.endpoint.shares import Shares
from dfd.daemon.endpoint.uploads import Uploads
from dfd.daemon.errors import StatusError, draining
from dfd.daemon.journal.call import CallJournal
from dfd.daemon.journal.clipfolder import ClipFolder
from dfd.daemon.journal.journal import Journal
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.scheduling.contract import ServedModel
from dfd.daemon.vitals.capacity import Capacity
from dfd.daemon.watch.roster import Roster


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """How running RPCs end, in seconds from the start of draining.

    Attributes:
        grace_seconds: after this the port is closed on whoever is left.
        end_seconds: streams that have not ended by themselves are ended.
        hurry_seconds: what is not scored by then is shed.
    """

    grace_seconds: float

    @property
    def end_seconds(self) -> float:
        """Leaves time for the last windows and the summary."""
        return self.grace_seconds - min(5.0, 0.4 * self.grace_seconds)

    @property
    def hurry_seconds(self) -> float:
        """Leaves time for the summary."""
        return self.grace_seconds - min(1.0, 0.2 * self.grace_seconds)


class Drainable(Protocol):
    """A running RPC."""

    def drain(self, plan: DrainPlan) -> None:
        """The server is about to end."""

    def warn(self, reason: str, message: str) -> None:
        """Tells the client something worth knowing of the server."""


@dataclass(slots=True, eq=False)
class Runtime:
    """The daemon's state, belonging to one event loop.

    Attributes:
        journal, clips: None where none are kept.
        model: None until the model is warm.
        rpcs: streams and recordings that run.
        roster: the streams as watchers see them.
    """

    options: ServeOptions
    version: str
    metrics: Metrics
    admission: Admission
    auth: Authenticator
    shares: Shares
    paces: Paces
    uploads: Uploads
    capacity: Capacity
    journal: Journal | None = None
    clips: ClipFolder | None = None
    model: ServedModel | None = None
    rpcs: set[Drainable] = field(default_factory=set)
    roster: Roster = field(default_factory=Roster)

    def call_journal(self, kind: str, warn: Callable[[str, str], None]) -> CallJournal | None:
        """The journal of one call; None where none is kept."""
        if self.journal is None:
            return None
        return CallJournal(self.journal, kind, self.options.retry_seconds, warn)

    def warm(self, model: ServedModel) -> None:
        """Starts to serve."""
        self.model = model
        self.metrics.set_model(model.spec)
        self.admission.enter(Phase.SERVING)

    def drain(self, plan: DrainPlan) -> None:
        """Takes no new RPCs and tells those that run."""
        self.admission.enter(Phase.DRAINING)
        for rpc in tuple(self.rpcs):
            rpc.drain(plan)

    def warn(self, reason: str, message: str) -> None:
        """Tells all RPCs that run something worth knowing of the server."""
        for rpc in tuple(self.rpcs):
            rpc.warn(reason, message)

    def model_or_refuse(self) -> ServedModel:
        """The warm model.

        Raises:
            StatusError: with WARMING_UP or SERVER_DRAINING.
        """
        if self.model is None:
            self.admission.check()
            raise self.drain_error()
        return self.model

    def drain_error(self) -> StatusError:
        """What an RPC that draining cuts short ends with."""
        return draining(self.options.retry_seconds)
