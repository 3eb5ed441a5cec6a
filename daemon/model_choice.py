"""The models that a daemon serves: which, combined how, on which devices and by which engine."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from dfd.daemon.engine_address import RAY, EngineAddress, is_remote
from dfd.daemon.validation import require, require_choice, require_counts
from dfd.detector.fusion import terms
from dfd.detector.overrides import PRECISIONS, ModelOverrides

# as `detector/files/bundled` has it, which would import torch
_BUNDLED = "bundled"
ENGINES = ("auto", "torchscript", "openvino", "onnx")
# "auto" without measuring, which would disturb running streams
KNOWN = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice(ModelOverrides):
    """The models to serve, what runs them, and what is set over their own properties.

    Attributes:
        model: the models to serve, in the form that `dfd.detector.load_detector` takes; the first
            is for streams that name none. Empty means the bundled model.
        fuse: combinations such as "a+b", whose LLRs are added.
        cascade: pairs such as "a+b", in which b scores the windows that a is not sure of.
        cascade_from: P(spoof) of the first model from which the second is asked.
        device: "auto", "cpu", "cuda" or "cuda:N"; several are separated by commas.
        precision, threads: as for `dfd.detector.load_detector`.
        engine: likewise, or the address of a remote one.

    Raises:
        UserError: if a value is impossible.
    """

    model: str | tuple[str, ...] = ()
    fuse: tuple[str, ...] = ()
    cascade: tuple[str, ...] = ()
    cascade_from: float = 0.1
    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        ModelOverrides.__post_init__(self)
        for text in self.fuse:
            self.members_of(text)
        for text in self.cascade:
            require(
                len(self.members_of(text)) == 2,
                f"a cascade has two models, a cheap one and then an expensive one, not {text}",
            )
        require(
            0.0 < self.cascade_from < 1.0,
            f"cascade from is {self.cascade_from}; use a probability between 0 and 1",
        )
        require(
            all(self.devices), f"device is {self.device!r}; name one, or several as cuda:0,cuda:1"
        )
        require_choice(self, "precision", PRECISIONS)
        if is_remote(self.engine):
            self._check_remote(EngineAddress.parse(self.engine))
        elif self.engine != KNOWN:
            require_choice(self, "engine", ENGINES, ", ray://auto or triton://HOST:PORT/MODEL")
        require_counts(self, "threads")

    def _check_remote(self, address: EngineAddress) -> None:
        """Refuses what a model that was loaded elsewhere could only ignore."""
        overrides = self.overrides
        name = next(
            (f.name for f in fields(overrides) if getattr(overrides, f.name) is not None), ""
        )
        where = "serve run" if address.scheme == RAY else "dfd export"
        require(
            not name,
            f"{name.replace('_', ' ')} has no effect on a model that {address.scheme}:// serves; "
            f"pass it to {where} instead",
        )

    @property
    def overrides(self) -> ModelOverrides:
        """The overrides of the model's own properties."""
        return ModelOverrides(**{f.name: getattr(self, f.name) for f in fields(ModelOverrides)})

    @property
    def named_models(self) -> tuple[str, ...]:
        """The models named by `model`."""
        return (self.model,) if isinstance(self.model, str) else tuple(self.model)

    @property
    def models(self) -> tuple[str, ...]:
        """The models to load, each once: those in `model`, then other members of combinations."""
        members = (term for text in (*self.fuse, *self.cascade) for term in self.members_of(text))
        return tuple(dict.fromkeys((*self.named_models, *members))) or (_BUNDLED,)

    def members_of(self, text: str) -> tuple[str, ...]:
        """Returns the members of "a+b"; a file or folder may be named without its path.

        Raises:
            UserError: if they are not different models.
        """
        short = {Path(name).stem: name for name in self.named_models}
        short |= {Path(name).name: name for name in self.named_models}
        return tuple(short.get(term, term) for term in terms(text))

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices; each runs an instance of each model."""
        return tuple(name.strip() for name in self.device.split(","))

    @property
    def instances(self) -> tuple[Self, ...]:
        """The options of all instances: every model on every device."""
        return tuple(self.of(model, device) for model in self.models for device in self.devices)

    @property
    def beside_streams(self) -> Self:
        """The options for loading a model while streams run."""
        return replace(self, engine=KNOWN) if self.engine == "auto" else self

    def of(self, model: str, device: str | None = None) -> Self:
        """Returns the options for a single model, on one device or on all."""
        return replace(self, model=model, fuse=(), cascade=(), device=device or self.device)
