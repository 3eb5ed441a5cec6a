"""What the RPCs of one daemon share."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import grpc

from dfd.daemon.endpoint.admission import Admission, Phase
from dfd.daemon.endpoint.auth import Authenticator, Token
from dfd.daemon.endpoint.pace import Paces
from dfd.daemon.endpoint.shares import Shares
from dfd.daemon.endpoint.uploads import Uploads
from dfd.daemon.errors import StatusError, draining
from dfd.daemon.journal.call import CallJournal
from dfd.daemon.journal.clipfolder import ClipFolder
from dfd.daemon.journal.journal import Journal
from dfd.daemon.metrics import Metrics
from dfd.daemon.options import ServeOptions
from dfd.daemon.resume.seal import Seal
from dfd.daemon.scheduling.contract import Replaceable, ServedModel, WindowScheduler
from dfd.daemon.vitals.capacity import Capacity
from dfd.daemon.watch.roster import Roster
from dfd.daemon.watermarks.reader import WatermarkReader
from dfd.detector.spec import ModelSpec
from dfd.errors import UserError


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """How running RPCs end; times are seconds from the start of draining.

    Attributes:
        grace_seconds: when remaining connections are closed.
        end_seconds: when streams that have not ended by themselves are ended.
        hurry_seconds: when windows that are not scored are shed.
    """

    grace_seconds: float

    @property
    def end_seconds(self) -> float:
        """The end, with time left for the last windows and the summary."""
        return self.grace_seconds - min(5.0, 0.4 * self.grace_seconds)

    @property
    def hurry_seconds(self) -> float:
        """The time to shed windows, with time left for the summary."""
        return self.grace_seconds - min(1.0, 0.2 * self.grace_seconds)


class Drainable(Protocol):
    """A running RPC."""

    @property
    def model(self) -> ServedModel | None:
        """The model that judges it; None until the client has named one."""

    def drain(self, plan: DrainPlan) -> None:
        """Starts to end the RPC, since the server is shutting down."""

    def warn(self, reason: str, message: str) -> None:
        """Sends the client a warning about the server."""


def concerns(model: ServedModel, judge: ServedModel | None) -> bool:
    """Returns whether an RPC is judged by a model, or by a combination that contains it."""
    if judge is None:
        return False
    return any(one.scheduler is model.scheduler for one in (judge, *judge.members))


def allows(token: Token | None, model: str) -> bool:
    """Returns whether a caller may use a model."""
    return token is None or token.models is None or model in token.models


def model_not_allowed(model: str) -> StatusError:
    """Makes the error for a token that is for other models."""
    return StatusError(
        grpc.StatusCode.PERMISSION_DENIED,
        "MODEL_NOT_ALLOWED",
        f"the token does not allow the model {model}; use one that does",
        metadata={"model": model},
    )


@dataclass(slots=True, eq=False)
class Runtime:
    """The daemon's state, belonging to one event loop.

    Attributes:
        journal, clips: None if none are kept.
        watermarks: None if none are read.
        models: by name; the first is for streams that name none. Empty until all are warm.
        rpcs: running streams and recordings.
        replaceables: what can replace a model, by its scheduler.
        roster: the streams as watchers see them.
    """

    options: ServeOptions
    version: str
    metrics: Metrics
    admission: Admission
    auth: Authenticator
    seal: Seal
    shares: Shares
    paces: Paces
    uploads: Uploads
    capacity: Capacity
    journal: Journal | None = None
    clips: ClipFolder | None = None
    watermarks: WatermarkReader | None = None
    models: dict[str, ServedModel] = field(default_factory=dict)
    replaceables: dict[WindowScheduler, Replaceable] = field(default_factory=dict)
    rpcs: set[Drainable] = field(default_factory=set)
    roster: Roster = field(default_factory=Roster)

    def call_journal(self, kind: str, warn: Callable[[str, str], None]) -> CallJournal | None:
        """Returns the journal of one call; None if there is no journal."""
        if self.journal is None:
            return None
        return CallJournal(self.journal, kind, self.options.retry_seconds, warn)

    def warm(self, models: dict[str, ServedModel]) -> None:
        """Starts serving."""
        self.models = models
        self.metrics.set_models([model.spec for model in models.values()])
        self.admission.enter(Phase.SERVING)

    def drain(self, plan: DrainPlan) -> None:
        """Accepts no new RPCs and notifies the running ones."""
        self.admission.enter(Phase.DRAINING)
        for rpc in tuple(self.rpcs):
            rpc.drain(plan)

    def warn(self, reason: str, message: str, model: ServedModel | None = None) -> None:
        """Sends a warning to all running RPCs, or to those judged by one model."""
        for rpc in tuple(self.rpcs):
            if model is None or concerns(model, rpc.model):
                rpc.warn(reason, message)

    def check_warm(self) -> None:
        """Checks that the models are loaded.

        Raises:
            StatusError: with WARMING_UP or SERVER_DRAINING.
        """
        if not self.models:
            self.admission.check()
            raise self.drain_error()

    def check_models(self, token: Token | None) -> None:
        """Checks that a caller may use some model, before it says which one it wants.

        Raises:
            StatusError: with WARMING_UP, SERVER_DRAINING or MODEL_NOT_ALLOWED.
        """
        self.check_warm()
        if not any(allows(token, name) for name in self.models):
            raise model_not_allowed(next(iter(self.models)))

    def replaceable(self, served: ServedModel) -> Replaceable | None:
        """Returns what can replace a served model; None if nothing can."""
        others = (one for one in self.models.values() if one is not served)
        if any(concerns(served, one) for one in others):
            return None
        return self.replaceables.get(served.scheduler)

    def check_name(self, served: ServedModel, name: str) -> None:
        """Checks that the replacement of a served model has a name of its own.

        Raises:
            UserError: if another model has that name.
        """
        if any(other == name and one is not served for other, one in self.models.items()):
            raise UserError(f"another model that is served is called {name}: give it another name")

    def current(self, served: ServedModel) -> ServedModel | None:
        """Returns the model that a scheduler serves now; None before all models are warm."""
        models = self.models.values()
        return next((one for one in models if one.scheduler is served.scheduler), None)

    def change(self, scheduler: WindowScheduler, spec: ModelSpec) -> None:
        """Makes a model that took another's place known to new and running streams.

        Args:
            scheduler: of both.
            spec: of the new one.
        """
        old = next(one for one in self.models.values() if one.scheduler is scheduler)
        new = replace(old, spec=spec)
        self.models = {
            (new if one is old else one).spec.name: new if one is old else one
            for one in self.models.values()
        }
        self.metrics.set_models([model.spec for model in self.models.values()])
        self.warn(
            "MODEL_CHANGED", f"windows are judged by {spec.name} {spec.version} from now on", new
        )

    def named(self, name: str) -> ServedModel:
        """Returns a model, whether or not it scores windows; the first if the name is empty.

        Raises:
            StatusError: with UNKNOWN_MODEL.
        """
        name = name or next(iter(self.models))
        if name not in self.models:
            raise StatusError(
                grpc.StatusCode.NOT_FOUND,
                "UNKNOWN_MODEL",
                "this server has no such model; leave model empty, or ask for "
                + " or ".join(self.models),
            )
        return self.models[name]

    def choose(self, name: str, token: Token | None) -> ServedModel:
        """Returns the model that a stream asks for.

        Args:
            name: name of the model; empty for the first.
            token: the caller's token; None if none is required.

        Raises:
            StatusError: with UNKNOWN_MODEL, MODEL_NOT_ALLOWED or ENGINE_FAILING.
        """
        model = self.named(name)
        name = model.spec.name
        if not allows(token, name):
            raise model_not_allowed(name)
        if not model.well():
            others = " or ".join(n for n, other in self.models.items() if other.well())
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "ENGINE_FAILING",
                f"the model {name} judges no windows at present; try again later"
                + (f", or ask for {others}" if others else ""),
                retry_seconds=self.options.retry_seconds,
            )
        return model

    def drain_error(self) -> StatusError:
        """Returns the error of an RPC that draining cuts short."""
        return draining(self.options.retry_seconds)
